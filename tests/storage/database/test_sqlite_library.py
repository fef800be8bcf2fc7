"""An SQLite without full text search is named before anything is made or changed."""

from __future__ import annotations

import ctypes
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from config.loading import load
from daemon.monitoring.preflight import run_checks
from storage.catalogue import Catalogue
from storage.database.catalogue_file import file_of
from storage.database.sqlite_library import sqlite_problem
from storage.schema.catalogue_errors import CatalogueError
from storage.search.reader import open_finder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_Entry = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


@pytest.fixture
def without_fts5() -> Iterator[None]:
    """Take FTS5 out of every connection that this process opens."""
    try:
        library = ctypes.CDLL("libsqlite3.so.0")
    except OSError:
        pytest.skip("SQLite is part of this Python")
    kept = (ctypes.c_char_p * 3)(b"json_each", b"json_tree", None)
    drop = library.sqlite3_drop_modules
    drop.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    entry = _Entry(lambda database, _message, _functions: drop(database, kept))
    library.sqlite3_auto_extension(entry)
    try:
        with closing(sqlite3.connect(":memory:")) as plain:
            if plain.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone():
                pytest.skip("Python uses another SQLite")
        yield
    finally:
        library.sqlite3_cancel_auto_extension(entry)


def test_this_sqlite_can_hold_a_catalogue() -> None:
    assert sqlite_problem() is None


@pytest.mark.usefixtures("without_fts5")
def test_a_new_catalogue_is_not_made_without_it(file_url: str) -> None:
    with pytest.raises(CatalogueError, match=r"^SQLite \S+ lacks FTS5, .* has it$"):
        Catalogue(file_url)
    assert not file_of(file_url).exists()


def test_an_existing_catalogue_is_not_opened_and_the_check_says_so_once(
    file_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    Catalogue(file_url).close()
    request.getfixturevalue("without_fts5")
    with pytest.raises(CatalogueError, match="lacks FTS5"):
        Catalogue(file_url)
    with pytest.raises(CatalogueError, match="lacks FTS5"), open_finder(file_url):
        pass
    settings = load(environ={"HOME": str(tmp_path)}).settings
    results = list(run_checks(settings, file_url, tmp_path, tmp_path / "none"))
    assert [result.level for result in results if "FTS5" in result.what] == ["fail"]
    assert not any("catalogue.db" in result.what for result in results)
