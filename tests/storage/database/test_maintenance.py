from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from storage.catalogue import Catalogue
from storage.database.catalogue_file import file_of
from storage.database.maintenance import KEPT_FREE, maintain, size_of
from storage.schema.catalogue_errors import CatalogueError

if TYPE_CHECKING:
    from pathlib import Path

MANY = 4 * KEPT_FREE


@pytest.fixture
def emptied(file_url: str) -> str:
    """A catalogue from which most has gone."""
    Catalogue(file_url).close()
    with closing(sqlite3.connect(file_of(file_url))) as plain, plain:
        rows = ((number, bytes(4096)) for number in range(MANY))
        plain.executemany("INSERT INTO hearings VALUES (?, 1, 0, ?)", rows)
    with closing(sqlite3.connect(file_of(file_url))) as plain, plain:
        plain.execute("DELETE FROM hearings")
    return file_url


def test_free_pages_are_released_except_for_a_reserve(emptied: str) -> None:
    before = size_of(emptied)
    upkeep = maintain(emptied, is_idle=True)
    assert upkeep.is_log_empty
    assert upkeep.freed_bytes > before // 2
    assert size_of(emptied) < before // 2
    with closing(sqlite3.connect(file_of(emptied))) as plain:
        assert plain.execute("PRAGMA freelist_count").fetchone()[0] >= KEPT_FREE
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert maintain(emptied, is_idle=True).freed_bytes == 0


def test_it_never_waits_and_a_reader_keeps_its_snapshot(emptied: str) -> None:
    with closing(sqlite3.connect(file_of(emptied), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM hearings").fetchone() == (0,)
        with closing(sqlite3.connect(file_of(emptied))) as writer, writer:
            writer.execute("INSERT INTO hearings VALUES (1, 1, 0, x'00')")
        assert not maintain(emptied, is_idle=True).is_log_empty
        assert reader.execute("SELECT count(*) FROM hearings").fetchone() == (0,)


def test_a_locked_catalogue_is_left_for_the_next_time(emptied: str) -> None:
    with closing(sqlite3.connect(file_of(emptied), isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO hearings VALUES (1, 1, 0, x'00')")
        assert maintain(emptied, is_idle=True).freed_bytes == 0
        writer.execute("COMMIT")
    assert maintain(emptied, is_idle=True).freed_bytes > 0


def test_a_busy_catalogue_is_not_rebuilt(emptied: str) -> None:
    upkeep = maintain(emptied, is_idle=False)
    assert (upkeep.freed_bytes, upkeep.is_log_empty) == (0, False)


def test_a_file_that_is_not_a_catalogue_is_reported_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.db"
    file.write_bytes(b"no database, but long enough to look like one" * 100)
    with pytest.raises(CatalogueError, match=r"catalogue\.db: file is not a database"):
        maintain(f"sqlite:///{file}", is_idle=True)
