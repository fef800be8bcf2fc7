"""Checks whether a file from elsewhere can be used as the catalogue."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from storage.database.migrate import apply, schemas

if TYPE_CHECKING:
    from pathlib import Path

_OF_SQLITE: Final = ("sqlite_autoindex_", "sqlite_sequence", "sqlite_stat")


def problem_with(file: Path) -> str | None:
    """Return in one line why a file cannot be used as a catalogue, None if it can.

    The file is not trusted: every page is read, and none of its code is run. Its tables, views and
    indices must be word for word those of its schema: a view or trigger of a stranger would run
    with our queries.

    Args:
        file: a database that nobody has open.
    """
    scripts = schemas()
    try:
        with closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as plain:
            plain.execute("PRAGMA trusted_schema = OFF")
            (found,) = plain.execute("PRAGMA user_version").fetchone()
            if found > len(scripts):
                newest = f"this release supports up to {len(scripts)}"
                return f"schema {found} is of a later release; {newest}"
            if found < 1 or _objects(plain) != _honest_objects(scripts[:found]):
                return "is not a catalogue of valenced"
            (verdict,) = plain.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        return " ".join(str(error).split())
    return None if verdict == "ok" else f"damaged: {' '.join(str(verdict).split())}"


def _honest_objects(scripts: list[str]) -> set[tuple[str, str, str]]:
    with closing(sqlite3.connect(":memory:")) as honest:
        apply(honest, scripts, 0)
        return _objects(honest)


def _objects(plain: sqlite3.Connection) -> set[tuple[str, str, str]]:
    """Return type, name and text of everything in a schema but what SQLite adds itself."""
    return {
        (kind, name, " ".join((text or "").split()))
        for kind, name, text in plain.execute("SELECT type, name, sql FROM sqlite_master")
        if not (kind in {"table", "index"} and str(name).startswith(_OF_SQLITE))
    }
