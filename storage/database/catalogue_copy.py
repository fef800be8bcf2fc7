"""Copies a catalogue while others use it, and replaces the catalogue by a copy."""

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
"""Offset of the application id in an SQLite file (https://www.sqlite.org/fileformat.html)."""

_BEGUN: Final = "begun_writes"


def copy_catalogue(file: Path, copy: Path) -> None:
    """Write a consistent copy, as of one moment; readers and writers continue.

    Args:
        file: the catalogue.
        copy: replaced if it exists; synced to the disk, and readable by this user alone.

    Raises:
        CatalogueError: the disk is full, or the catalogue cannot be read; no copy is left.
    """
    try:
        copy.unlink(missing_ok=True)
        os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        with closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_TIMEOUT_S)
        ) as plain:
            # The driver does not bind names that are not UTF-8.
            plain.execute("VACUUM INTO CAST(? AS TEXT)", (os.fsencode(copy),))
        sync(copy)
    except (sqlite3.Error, OSError) as error:
        for left in (copy, copy.with_name(f"{copy.name}-journal")):
            with suppress(OSError):
                left.unlink(missing_ok=True)
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise CatalogueError(f"{copy}: cannot be written: {why}") from error


def carry_begun_writes(current: Path, new: Path) -> None:
    """Let a new catalogue know the begun writes of the current one, and no others.

    They describe files on this disk, so those of a backup are past, or a stranger's invention.

    Args:
        current: the catalogue, which need not exist or be readable.
        new: a database that nobody has open.

    Raises:
        CatalogueError: the new one cannot be written.
    """
    try:
        with closing(sqlite3.connect(new, isolation_level=None)) as plain:
            if not plain.execute(
                "SELECT 1 FROM sqlite_master WHERE name = ?", (_BEGUN,)
            ).fetchone():
                return
            plain.execute(f"DELETE FROM {_BEGUN}")  # noqa: S608 - a constant
            if current.exists():
                with suppress(sqlite3.DatabaseError):
                    plain.execute("ATTACH ? AS present", (os.fspath(current),))
                    plain.execute(f"INSERT INTO {_BEGUN} SELECT * FROM present.{_BEGUN}")  # noqa: S608
    except sqlite3.Error as error:
        raise CatalogueError(f"{new}: cannot be written: {error}") from error


def write_mark(file: Path, number: int) -> None:
    """Write a number into a database that nobody has open, and sync it to the disk.

    Args:
        file: the database.
        number: from 1 to 2**31 - 1, stored as the application id.

    Raises:
        CatalogueError: it cannot be written.
    """
    try:
        with closing(sqlite3.connect(file, isolation_level=None)) as plain:
            plain.execute(f"PRAGMA application_id = {number:d}")
        sync(file)
    except (sqlite3.Error, OSError) as error:
        raise CatalogueError(f"{file}: cannot be written: {error}") from error


def read_mark(file: Path) -> int | None:
    """Return the number that `write_mark` wrote, 0 if none; None if the file does not exist.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            stream.seek(_MARK_AT)
            return int.from_bytes(stream.read(4), "big")
    except FileNotFoundError:
        return None


def replace_catalogue(fresh: Path, file: Path, aside: Path) -> None:
    """Replace the catalogue by another database, so that one of them exists at every moment.

    Nobody but readers may have the catalogue open.

    Args:
        fresh: the new one, complete and synced, in the same folder.
        file: the catalogue, which need not exist.
        aside: new name of the old one.

    Raises:
        CatalogueError: it cannot be replaced; the old one stays in use.
    """
    try:
        if file.exists():
            _checkpoint(file)
            os.link(file, aside)
        for end in ("-wal", "-shm"):
            # These belong to the old one; SQLite would replay them into the new one.
            with suppress(FileNotFoundError):
                file.with_name(file.name + end).rename(aside.with_name(aside.name + end))
        rename_durably(fresh, file)
    except OSError as error:
        raise CatalogueError(f"{file}: cannot be replaced: {error.strerror}") from error


def _checkpoint(file: Path) -> None:
    """Write the write-ahead log into the file; a damaged file is left as it is."""
    try:
        with closing(sqlite3.connect(file, timeout=BUSY_TIMEOUT_S)) as plain:
            busy, *_ = plain.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise CatalogueError(f"{file}: {error}") from error
        return
    if busy:
        raise CatalogueError(f"{file}: another program is reading it; close that program first")


def rename_durably(fresh: Path, path: Path) -> None:
    """Rename a synced file, and sync the rename to the disk; raises OSError."""
    fresh.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Sync a file or a folder to the disk; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
