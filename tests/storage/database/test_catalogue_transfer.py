"""A catalogue that was copied to a server and back is the same, and works on."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from storage.annotations import GivenAnnotation
from storage.catalogue import Catalogue
from storage.database.catalogue_file import only_writer
from storage.database.catalogue_transfer import copy_between
from storage.schema.catalogue_errors import CatalogueBusy, CatalogueError
from storage.schema.records import TagState
from storage.schema.tables import metadata
from tests.catalogue_rows import rows_outside
from tests.records import NOON, record, stamp

if TYPE_CHECKING:
    from tests.postgresql_server import PostgresqlServer

ODD = Path(os.fsdecode(b"/m/caf\xe9 \xff.mp3"))


@pytest.fixture
def filled(file_url: str) -> str:
    with closing(Catalogue(file_url)) as catalogue:
        record(catalogue, "/m/a.mp3")
        clip = record(catalogue, ODD, 0.5, -0.25)
        catalogue.tag_journal.begin(clip, {"items": {"title": "\0 é"}}, NOON)
        given = GivenAnnotation(clip.identity, clip.path, "ann", 0.25, None, "test")
        catalogue.annotations.add([given], NOON)
        catalogue.mark_missing([Path("/m/a.mp3")], NOON)
        catalogue.bundles.record("test-1", "2026", {"hearing": "test/1"})
        catalogue.set_mood_thresholds(0.1, -0.2)
        catalogue.sketches.begin("test-1")
        catalogue.sketches.put({1: b"sketch"}, [1])
        catalogue.jobs.plan("learn", "daily", NOON)
        catalogue.queue.put([(Path("/m/claimed.mp3"), stamp())], NOON)
        assert catalogue.queue.claim(NOON) is not None
    return file_url


def rows_of(url: str) -> dict[str, list[tuple[Any, ...]]]:
    with closing(Catalogue(url)) as catalogue:
        return {
            table.name: sorted(
                rows_outside(
                    catalogue,
                    f"SELECT {', '.join(f'{chr(34)}{c.name}{chr(34)}' for c in table.columns)}"
                    f" FROM {table.name}",
                ),
                key=repr,
            )
            for table in metadata.tables.values()
            if table.name not in {"rated", "felt"}
        }


def test_a_catalogue_survives_the_way_to_a_server_and_back(
    filled: str, server: PostgresqlServer, tmp_path: Path
) -> None:
    before, there = rows_of(filled), server.new_catalogue()
    back = f"sqlite:///{tmp_path / 'back.db'}"
    count = copy_between(filled, there)
    assert copy_between(there, back) == count == sum(map(len, before.values())) - 2
    before["queue"] = [tuple("waiting" if x == "running" else x for x in before["queue"][0])]
    assert rows_of(back) == before
    for url in (there, back):
        with closing(Catalogue(url)) as catalogue:
            affect = catalogue.affect_of(f"identity of {ODD!r}")
            assert affect is not None
            assert (affect.arousal, affect.valence) == (0.25, -0.25)
            # Numbers go on after those that were copied.
            entry = catalogue.queue.claim(NOON)
            assert entry is not None
            assert catalogue.record(entry, "new", TagState.OFF, NOON, None).id == 3


def test_a_catalogue_is_never_copied_over_another(filled: str, server: PostgresqlServer) -> None:
    there = server.new_catalogue()
    copy_between(filled, there)
    with pytest.raises(CatalogueError, match="holds a catalogue already"):
        copy_between(filled, there)
    with pytest.raises(CatalogueError, match="there is no catalogue"):
        copy_between("sqlite:////nowhere/at/all.db", there)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://valenced@/sounds?host=/run",
        "mysql://a:secret@b/c",
        "/m/catalogue.db",
        "a:b",
        "",
    ],
)
@pytest.mark.parametrize("is_source", [False, True])
def test_what_is_no_address_of_a_catalogue_is_refused(
    filled: str, address: str, *, is_source: bool
) -> None:
    ends = (address, filled) if is_source else (filled, address)
    with pytest.raises(CatalogueError, match=r"postgresql\+psycopg://user@host/database") as told:
        copy_between(*ends)
    assert "secret" not in str(told.value)


def test_a_catalogue_in_use_is_not_copied(filled: str, server: PostgresqlServer) -> None:
    with only_writer(filled), pytest.raises(CatalogueBusy):
        copy_between(filled, server.new_catalogue())
