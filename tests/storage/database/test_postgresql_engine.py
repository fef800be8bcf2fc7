"""What is wrong with a server or its address is said in one line, without a password."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from storage.catalogue import Catalogue
from storage.database import postgresql_engine
from storage.database.postgresql_schema import server_schemas
from storage.database.server_address import server_host
from storage.schema.catalogue_errors import CatalogueBusy, CatalogueError, SchemaTooNew
from storage.search.reader import open_finder
from tests.distant_server import distant
from tests.postgresql_server import running_server, why_missing
from tests.records import NOON, record

if TYPE_CHECKING:
    from tests.postgresql_server import PostgresqlServer

NOBODY = "postgresql+psycopg://u@127.0.0.1:1/d"


def test_a_catalogue_is_migrated_unless_a_service_works_on_it(server: PostgresqlServer) -> None:
    url = server.new_database()
    first = min(server_schemas())
    server.run_sql(url, server_schemas()[first])
    server.run_sql(
        url, "INSERT INTO folders VALUES ('/m', 'events', '2026-01-01T00:00:00.000Z', NULL)"
    )
    server.run_sql(url, "INSERT INTO services VALUES ('one', 7, true, clock_timestamp())")
    with pytest.raises(CatalogueBusy, match="process 7 of an earlier release"):
        Catalogue(url)
    assert server.run_sql(url, "SELECT version FROM catalogue_schema") == [(first,)]
    server.run_sql(url, "UPDATE services SET seen_at = seen_at - interval '1 hour'")
    with closing(Catalogue(url)) as catalogue:
        assert [state.path for state in catalogue.queries.folders()] == [Path("/m")]
    newest = max(server_schemas())
    assert server.run_sql(url, "SELECT version FROM catalogue_schema") == [(newest,)]


@pytest.mark.parametrize(
    "between",
    [
        "SELECT 1",
        # Between the releases, schema 15 had the column.
        (
            "ALTER TABLE bundle_files ADD COLUMN"
            " digest TEXT GENERATED ALWAYS AS (encode(sha256(content), 'hex')) STORED"
        ),
    ],
)
def test_a_catalogue_of_030_knows_the_digests_of_its_bundle(
    server: PostgresqlServer, between: str
) -> None:
    url = server.new_database()
    for number, script in server_schemas().items():
        if number <= 15:
            server.run_sql(url, script)
    server.run_sql(url, between)
    server.run_sql(url, "UPDATE catalogue_schema SET version = 15")
    server.run_sql(url, "INSERT INTO bundle_files VALUES ('learned-1', 'table.npz', 'bytes')")
    with closing(Catalogue(url)) as catalogue:
        digests = catalogue.bundles.shared_digests("learned-1")
        assert digests == {hashlib.sha256(b"bytes").hexdigest()}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://u:secret@h/d",
        "postgresql+psycopg://h/d?user=u&password=secret",
        "postgresql+psycopg://u:secret@[h/d",
        "postgresql+psycopg://u:sec@ret@h:port/d",
    ],
)
def test_a_password_is_refused_and_never_repeated(url: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        Catalogue(url)
    assert "sec" not in str(caught.value)
    assert caught.value.exit_code == CatalogueError.exit_code


@pytest.mark.parametrize("url", [NOBODY, "postgresql+psycopg://h", "postgresql+psycopg://h:x/d"])
def test_what_cannot_be_opened_is_said_in_one_line(url: str) -> None:
    for opened in (lambda: Catalogue(url).close(), lambda: open_finder(url).__enter__()):
        with pytest.raises(CatalogueError) as caught:
            opened()
        assert "\n" not in str(caught.value)


def test_without_the_extra_the_message_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None\nfrom storage.catalogue import Catalogue\n"
        f"try:\n    Catalogue({NOBODY!r})\nexcept Exception as error:\n    print(error)"
    )
    told = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert told.strip().endswith("install valenced[postgresql] instead of valenced")


def test_a_database_that_is_no_catalogue_stays_as_it_is(server: PostgresqlServer) -> None:
    url = server.new_database()
    server.run_sql(url, "CREATE TABLE accounts (id INTEGER)")
    with pytest.raises(CatalogueError, match="tables that are not a catalogue"):
        Catalogue(url)
    assert server.run_sql(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [
        ("accounts",)
    ]


def test_several_processes_at_once_make_one_catalogue(server: PostgresqlServer) -> None:
    url = server.new_database()
    script = "import sys\nfrom storage.catalogue import Catalogue\nCatalogue(sys.argv[1]).close()"
    started = [subprocess.Popen([sys.executable, "-c", script, url]) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]


def test_a_catalogue_of_a_later_release_is_refused(server: PostgresqlServer) -> None:
    url = server.new_catalogue()
    server.run_sql(url, "UPDATE catalogue_schema SET version = 99")
    with pytest.raises(SchemaTooNew, match="schema 99"):
        Catalogue(url)


def test_a_catalogue_for_reading_refuses_to_write(server: PostgresqlServer) -> None:
    url = server.new_catalogue()
    with closing(Catalogue(url, reads_only=True)) as catalogue:
        assert catalogue.queue.next_due() is None
        with pytest.raises(CatalogueError, match="read-only"):
            catalogue.jobs.request("learn", NOON)
        with pytest.raises(CatalogueError, match="read-only"):
            catalogue.begun_writes.finish("copy")


def test_the_url_may_say_how_long_a_vanished_server_is_waited_for(server: PostgresqlServer) -> None:
    url = server.new_catalogue()
    for more, idle in (("", "20"), ("&keepalives_idle=7", "7")):
        with closing(Catalogue(url + more)) as catalogue, catalogue.engine.connect() as connection:
            plain: Any = connection.connection.driver_connection
            given = plain.info.get_parameters()
            assert (given["keepalives_idle"], given["tcp_user_timeout"]) == (idle, "50000")


def test_a_connection_that_something_between_has_forgotten_is_replaced(
    server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.new_catalogue()
    with distant(server, url) as (by_way, between), closing(Catalogue(by_way)) as catalogue:
        assert catalogue.queue.next_due() is None
        between.forget()
        monkeypatch.setattr(postgresql_engine, "LONG_IDLE_S", 0.0)
        assert catalogue.queue.next_due() is None


def test_a_server_that_was_restarted_is_used_again() -> None:
    if (reason := why_missing()) is not None:
        pytest.skip(reason)
    with running_server() as own, closing(Catalogue(own.new_catalogue())) as catalogue:
        record(catalogue, "/m/a.mp3")
        own.stop()
        with pytest.raises(CatalogueError, match="connection"):
            catalogue.queue.claim(NOON)
        own.start()
        assert record(catalogue, "/m/b.mp3").id == 2
        own.stop()
        own.start()
        # Nothing was asked meanwhile, so nothing has failed.
        assert record(catalogue, "/m/c.mp3").id == 3


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("sqlite:////x.db", None),
        ("postgresql+psycopg:///d", None),
        ("postgresql+psycopg://u@/d?host=/run/postgresql", None),
        ("postgresql+psycopg://u@db.home/d", "db.home:5432"),
        ("postgresql+psycopg://u@[fd00::1]:5433/d", "[fd00::1]:5433"),
        ("postgresql+psycopg:///d?host=10.0.0.9", "10.0.0.9:5432"),
    ],
)
def test_the_host_that_a_sandbox_must_open_is_told(url: str, host: str | None) -> None:
    assert server_host(url) == host
