"""Tells whether the SQLite that Python was built with can hold a catalogue."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Final

from storage.schema.catalogue_errors import CatalogueError

OLDEST_SQLITE: Final = (3, 35, 0)


def sqlite_problem() -> str | None:
    """Return in one line why this SQLite cannot hold a catalogue, None if it can."""
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        return f"SQLite {version} is too old; 3.35 or newer is needed"
    with closing(sqlite3.connect(":memory:")) as plain:
        if plain.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'").fetchone():
            return None
    return (
        f"SQLite {version} lacks FTS5, which finds texts in names; run valenced with a Python whose"
        " SQLite has it"
    )


def require_usable_sqlite() -> None:
    """Raise CatalogueError if this SQLite cannot hold a catalogue."""
    if (problem := sqlite_problem()) is not None:
        raise CatalogueError(problem)
