"""Keeps the catalogue's file small and its query plans good, without blocking anybody."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from storage.database.catalogue_file import file_of
from storage.database.server_address import is_on_server
from storage.schema.catalogue_errors import CatalogueError

if TYPE_CHECKING:
    from pathlib import Path

PAGES_AT_ONCE: Final = 256
"""Free pages released in one transaction: a megabyte, some milliseconds."""

MOST_ROUNDS: Final = 64
KEPT_FREE: Final = 1024
"""Free pages that stay in the file, since it will grow again."""


@dataclass(frozen=True)
class Maintenance:
    """What was done, as far as no lock was in the way.

    Attributes:
        freed_bytes: by which the file shrank.
        is_log_empty: whether the write-ahead log was written into the file and truncated.
    """

    freed_bytes: int
    is_log_empty: bool


def maintain(url: str, *, is_idle: bool) -> Maintenance:
    """Update the statistics, release free pages, and write the write-ahead log into the file.

    It never waits: what is locked is left for the next time. Readers keep their snapshot.

    Args:
        url: of the catalogue.
        is_idle: whether nothing is being written; otherwise no pages are released, and the log is
            written as far as possible but not truncated.

    Raises:
        CatalogueError: the catalogue cannot be read or written.
    """
    if is_on_server(url):
        # PostgreSQL does all of it by itself.
        return Maintenance(0, is_log_empty=False)
    file = file_of(url)
    try:
        with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as plain:
            plain.execute("PRAGMA analysis_limit = 400")
            _unless_locked(plain, "PRAGMA optimize")
            freed = _release_pages(plain) if is_idle else 0
            mode = "TRUNCATE" if is_idle else "PASSIVE"
            row = _unless_locked(plain, f"PRAGMA wal_checkpoint({mode})")
            return Maintenance(freed, is_log_empty=is_idle and row is not None and row[0] == 0)
    except sqlite3.Error as error:
        raise CatalogueError(f"{file}: {error}") from error


def size_of(url: str) -> int:
    """Return the size of the catalogue in bytes, including its write-ahead log."""
    if is_on_server(url):
        from storage.database.service_lease import database_size  # noqa: PLC0415 - an extra

        return database_size(url)
    file = file_of(url)
    return sum(_size(file.with_name(file.name + end)) for end in ("", "-wal", "-shm"))


def free_beside(url: str) -> int | None:
    """Return the free bytes on the disk of the catalogue, None if it is on a server."""
    return None if is_on_server(url) else shutil.disk_usage(file_of(url).parent).free


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _release_pages(plain: sqlite3.Connection) -> int:
    (page_bytes,) = plain.execute("PRAGMA page_size").fetchone()
    freed = 0
    for _ in range(MOST_ROUNDS):
        (free,) = plain.execute("PRAGMA freelist_count").fetchone()
        wanted = min(PAGES_AT_ONCE, free - KEPT_FREE)
        if wanted <= 0:
            break
        try:
            # As a statement instead of a script, it would stop after one page.
            plain.executescript(f"PRAGMA incremental_vacuum({wanted})")
        except sqlite3.OperationalError as error:
            if not _is_locked(error):
                raise
            break
        (left,) = plain.execute("PRAGMA freelist_count").fetchone()
        if left == free:
            # A file of the first releases cannot shrink.
            break
        freed += (free - left) * page_bytes
    return freed


def _unless_locked(plain: sqlite3.Connection, statement: str) -> tuple[int, ...] | None:
    """Run a statement to its end; return its first row, None if the catalogue is locked."""
    try:
        rows = plain.execute(statement).fetchall()
    except sqlite3.OperationalError as error:
        if not _is_locked(error):
            raise
        return None
    return tuple(rows[0]) if rows else ()


def _is_locked(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
