"""The right to work on a catalogue: alone with a file or a folder, by a lease on a server."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import pytest

from daemon.clock import steady_s
from daemon.monitoring.catalogue_preflight import check_catalogue
from daemon.sharing.service_access import ServiceAccess, _own_number, _SharedAccess, service_access
from storage.catalogue import Catalogue
from storage.database.catalogue_file import only_writer, writer_of
from storage.database.postgresql_schema import LEASE_S
from storage.database.service_lease import ServiceLease
from storage.schema.catalogue_errors import CatalogueBusy, CatalogueError

if TYPE_CHECKING:
    from tests.postgresql_server import PostgresqlServer

PATIENCE_S = 300


def test_a_file_has_one_service(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    with service_access(url, tmp_path / "bundles") as access:
        assert (access.name, access.is_main) == (None, True)
        with pytest.raises(CatalogueBusy), only_writer(url):
            pass


def test_a_folder_of_bundles_has_one_service_and_a_server_one_main_one(
    server: PostgresqlServer, tmp_path: Path
) -> None:
    url = server.new_catalogue()
    with service_access(url, tmp_path / "one" / "bundles") as one:
        assert one.is_main
        with service_access(url, tmp_path / "two" / "bundles") as two:
            assert not two.is_main
            assert one.name != two.name
        with (
            pytest.raises(CatalogueBusy, match=r"one: process \d+ already works in this folder"),
            service_access(url, tmp_path / "one" / "bundles"),
        ):
            pass
    assert writer_of(url) is None, "the lease ends with the service"


def test_machines_of_one_name_with_folders_of_one_path_are_two_services(
    server: PostgresqlServer, tmp_path: Path
) -> None:
    """As cloned machines are; a folder that another has taken the place of stands for the other."""
    url, state = server.new_catalogue(), tmp_path / "state"
    with service_access(url, state / "bundles") as one:
        state.rename(tmp_path / "elsewhere")
        with service_access(url, state / "bundles") as two:
            assert one.is_main
            assert not two.is_main
            assert one.name != two.name
    with service_access(url, state / "bundles") as again:
        assert again.name == two.name


def test_a_service_keeps_its_number(tmp_path: Path) -> None:
    number = _own_number(tmp_path)
    assert _own_number(tmp_path) == number
    kept = tmp_path / "service.id"
    for damaged in (b"", b"\xff\x00", b"../../etc", b"0" * 10_000_000):
        kept.write_bytes(damaged)
        other = _own_number(tmp_path)
        assert other != number
        assert _own_number(tmp_path) == other
    kept.unlink()
    kept.mkdir()
    with pytest.raises(CatalogueError, match=r"service\.id: cannot be read or written"):
        _own_number(tmp_path)


def test_a_server_that_is_away_is_said_at_once(tmp_path: Path) -> None:
    away = service_access("postgresql+psycopg://u@127.0.0.1:1/d", tmp_path / "bundles")
    with pytest.raises(CatalogueError, match="refused"), away:
        pass


def test_who_has_been_replaced_is_told(server: PostgresqlServer) -> None:
    url, told = server.new_catalogue(), Event()
    reasons: list[CatalogueBusy] = []

    def lost(reason: CatalogueBusy) -> None:
        reasons.append(reason)
        told.set()

    with (
        closing(Catalogue(url)) as catalogue,
        closing(_SharedAccess(ServiceLease(url, "one"), "one", renewed_each_s=0.05)) as access,
    ):
        access.when_changed(lost, lambda: None)
        with catalogue.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE services SET is_main = false")
            connection.exec_driver_sql(
                "INSERT INTO services VALUES ('two', 1, true, clock_timestamp())"
            )
        assert told.wait(PATIENCE_S)
        assert not access.is_main
    assert "another service has taken over" in str(reasons[0])


def test_who_was_replaced_by_one_that_is_gone_again_is_told(server: PostgresqlServer) -> None:
    url, told = server.new_catalogue(), Event()
    aged = f"UPDATE services SET seen_at = seen_at - interval '{2 * LEASE_S} s'"
    with (
        closing(Catalogue(url)) as catalogue,
        closing(_SharedAccess(ServiceLease(url, "one"), "one", renewed_each_s=3600)) as access,
        closing(ServiceLease(url, "two")) as other,
    ):
        assert access.is_main
        access.when_changed(lambda _: told.set(), lambda: None)
        with catalogue.engine.begin() as connection:
            connection.exec_driver_sql(aged)
        access.ask_for([])
        assert not told.is_set(), "it was late, but alone"
        with catalogue.engine.begin() as connection:
            connection.exec_driver_sql(aged)
        assert other.renew().is_main
        other.give_up()
        access.ask_for([])
        assert told.is_set()


@pytest.fixture
def url(server: PostgresqlServer) -> str:
    return server.new_catalogue()


def test_who_is_alone_has_every_folder(tmp_path: Path) -> None:
    alone = ServiceAccess()
    alone.ask_for([tmp_path])
    assert alone.holds(Path("/elsewhere"))


def test_folders_are_held_as_long_as_they_are_asked_for(url: str, tmp_path: Path) -> None:
    music, other = tmp_path / "music", tmp_path / "other"
    with (
        service_access(url, tmp_path / "one" / "bundles") as one,
        service_access(url, tmp_path / "two" / "bundles") as two,
    ):
        one.ask_for([music, other])
        two.ask_for([music])
        assert [one.holds(path) for path in (music, music / "a.mp3", tmp_path)] == [
            True,
            True,
            False,
        ]
        assert not two.has(music)
        told = [result.what for result in check_catalogue(url)]
        assert told[-2:] == [f"{path}: watched by {one.name}" for path in (music, other)]
        one.ask_for([other])
        two.ask_for([music])
        assert two.holds(music / "a.mp3")
        assert [one.has(music), one.has(other)] == [False, True]


def test_who_has_lost_a_folder_is_told_and_who_gets_it(
    server: PostgresqlServer, url: str, tmp_path: Path
) -> None:
    lost, gained = Event(), Event()
    with closing(_SharedAccess(ServiceLease(url, "two"), "two", renewed_each_s=0.05)) as two:
        two.when_changed(lambda _: lost.set(), gained.set)
        two.ask_for([tmp_path / "inside"])
        soon = "clock_timestamp() + interval '1 day'"
        server.run_sql(url, f"INSERT INTO services VALUES ('one', 1, false, {soon})")
        server.run_sql(url, "UPDATE folder_leases SET service = 'one'")
        assert lost.wait(PATIENCE_S)
        assert not two.has(tmp_path / "inside")
        assert not gained.is_set()
        server.run_sql(url, "DELETE FROM services WHERE name = 'one'")
        assert gained.wait(PATIENCE_S)
        assert two.has(tmp_path / "inside")


def test_who_could_not_renew_its_lease_for_long_writes_nothing(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(
        _SharedAccess(ServiceLease(url, "one"), "one", renewed_each_s=PATIENCE_S)
    ) as access:
        access.ask_for([tmp_path])
        assert access.holds(tmp_path)
        # As after it was frozen.
        now_s = steady_s() + LEASE_S + 1
        monkeypatch.setattr("daemon.sharing.service_access.steady_s", lambda: now_s)
        with pytest.raises(CatalogueError, match="not renewed for 60 s"):
            access.holds(tmp_path)
        access.ask_for([tmp_path])
        assert access.holds(tmp_path)
