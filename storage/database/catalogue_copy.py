"""Copies of a catalogue that are whole, taken while others use it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from storage.schema.catalogue_errors import CatalogueError

if TYPE_CHECKING:
    from pathlib import Path

BUSY_TIMEOUT_S: Final = 30.0
_MARK_AT: Final = 68
"""Where an SQLite file has its application id (https://www.sqlite.org/fileformat.html)."""

TABLES: Final = frozenset({"clips", "hearings", "predictions", "queue"})
"""By these a catalogue is known, whatever its schema."""


def copy_catalogue(file: Path, copy: Path) -> None:
    """Write a whole and consistent copy, as of one moment; readers and writers go on.

    Args:
        file: the catalogue.
        copy: where to; what is there is replaced. It is on the disk when this returns, readable
            by us alone.

    Raises:
        CatalogueError: there is no room, or the catalogue cannot be read; no copy is left.
    """
    try:
        copy.unlink(missing_ok=True)
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        with closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_TIMEOUT_S)
        ) as plain:
            plain.execute("VACUUM INTO ?", (os.fspath(copy),))
        sync(copy)
    except (sqlite3.Error, OSError) as error:
        for left in (copy, copy.with_name(f"{copy.name}-journal")):
            with suppress(OSError):
                left.unlink(missing_ok=True)
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise CatalogueError(f"{copy}: cannot be written: {why}") from error


def problem_with(file: Path, newest: int) -> str | None:
    """Return in one line why a file is no catalogue that can be used, None if it can.

    Nothing is believed of it: every page is read, and no code of it is run.

    Args:
        file: a database that nobody has open.
        newest: the newest schema that is known.
    """
    try:
        with closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        ) as plain:
            plain.execute("PRAGMA trusted_schema = OFF")
            (found,) = plain.execute("PRAGMA user_version").fetchone()
            tables = {name for (name,) in plain.execute("SELECT name FROM sqlite_master")}
            triggers = plain.execute("SELECT 1 FROM sqlite_master WHERE type = 'trigger'")
            if not found or not tables >= TABLES or triggers.fetchone():
                return "holds no catalogue of ours"
            if found > newest:
                return f"schema {found} is of a later release; this one knows up to {newest}"
            (verdict,) = plain.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return None if verdict == "ok" else f"damaged: {' '.join(str(verdict).split())}"


def mark(file: Path, number: int) -> None:
    """Put a number into a database that nobody has open, by which its copies are known as well.

    Args:
        file: the database; it is on the disk when this returns.
        number: from 1 to 2**31 - 1.

    Raises:
        CatalogueError: it cannot be written.
    """
    try:
        with closing(sqlite3.connect(file, isolation_level=None)) as plain:
            plain.execute(f"PRAGMA application_id = {number:d}")
        sync(file)
    except (sqlite3.Error, OSError) as error:
        raise CatalogueError(f"{file}: cannot be written: {error}") from error


def mark_of(file: Path) -> int | None:
    """Return the number that `mark` put into a database, 0 if none; None where there is no file.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            stream.seek(_MARK_AT)
            return int.from_bytes(stream.read(4), "big")
    except FileNotFoundError:
        return None


def put_in_place(fresh: Path, file: Path, aside: Path) -> None:
    """Let a database take the catalogue's place, at every moment one or the other.

    Nobody but readers may have the catalogue open.

    Args:
        fresh: the new one, in the same folder, whole and on the disk.
        file: the catalogue; there need be none.
        aside: where the old one is kept.

    Raises:
        CatalogueError: it cannot be exchanged; what was there is in service still.
    """
    try:
        if file.exists():
            _fold(file)
            os.link(file, aside)
        for end in ("-wal", "-shm"):
            # What is left there belongs to the old one, and would be played into the new one.
            with suppress(FileNotFoundError):
                file.with_name(file.name + end).rename(aside.with_name(aside.name + end))
        place(fresh, file)
    except OSError as error:
        raise CatalogueError(f"{file}: cannot be exchanged: {error.strerror}") from error


def _fold(file: Path) -> None:
    """Write what is in the log of changes into the file itself; one that is damaged stays so."""
    try:
        with closing(sqlite3.connect(file, timeout=BUSY_TIMEOUT_S)) as plain:
            busy, *_ = plain.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise CatalogueError(f"{file}: {error}") from error
        return
    if busy:
        raise CatalogueError(f"{file}: another program reads it just now; close that first")


def place(fresh: Path, where: Path) -> None:
    """Rename a file that is on the disk, and have the rename on the disk, too.

    Raises:
        OSError: it cannot be.
    """
    fresh.replace(where)
    sync(where.parent)


def sync(path: Path) -> None:
    """Have a file or a folder on the disk.

    Raises:
        OSError: it cannot be.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
