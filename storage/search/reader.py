"""Opens a catalogue for searches only.

A search takes less time than importing SQLAlchemy, so the driver is used as it is.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

from storage.database.catalogue_copy import BUSY_TIMEOUT_S
from storage.database.catalogue_file import file_of
from storage.database.migrate import newest_schema
from storage.database.server_address import is_on_server
from storage.database.sqlite_library import require_usable_sqlite
from storage.schema.catalogue_errors import CatalogueError
from storage.search.finder import Finder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from storage.schema.plain_connection import PlainConnection
    from storage.search.found_rows import SoundSearch


@contextmanager
def open_finder(url: str) -> Iterator[SoundSearch]:
    """Open a catalogue for searches within the block; raises as `open_snapshot`."""
    with open_snapshot(url) as (_, finder):
        yield finder


@contextmanager
def open_snapshot(url: str) -> Iterator[tuple[PlainConnection, SoundSearch]]:
    """Open a catalogue within the block: a snapshot that nothing is written to.

    One of an earlier release is migrated first.

    Raises:
        CatalogueError: it cannot be opened or read, or SQLite lacks something.
        SchemaTooNew: a later release wrote it.
    """
    if is_on_server(url):
        from storage.search.postgresql_finder import server_snapshot  # noqa: PLC0415 - an extra

        with server_snapshot(url) as snapshot:
            yield snapshot
        return
    with _snapshot_of_file(url) as plain:
        yield plain, Finder(plain)


@contextmanager
def _snapshot_of_file(url: str) -> Iterator[sqlite3.Connection]:
    file = file_of(url)
    require_usable_sqlite()
    try:
        with closing(connect_for_reading(file)) as plain:
            if _is_newest(plain):
                plain.execute("BEGIN")
                yield plain
                return
        from storage.database.engine import open_engine  # noqa: PLC0415 - seldom needed

        open_engine(url).dispose()
        with closing(connect_for_reading(file)) as plain:
            plain.execute("BEGIN")
            yield plain
    except sqlite3.Error as error:
        raise CatalogueError(f"{file}: {error}") from error


_CACHE_KIB: Final = 64 << 10
"""What a search may keep in memory while it runs; with the usual 2 MB it reads many pages twice."""


def connect_for_reading(file: Path, *, shared: bool = False) -> sqlite3.Connection:
    """Return a connection that only reads: for one thread, or for several that take turns."""
    # Not read-only: the first who reads a catalogue after a crash takes up its write-ahead log.
    address = f"{file.absolute().as_uri()}?mode=rw"
    plain = sqlite3.connect(
        address,
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=not shared,
    )
    plain.text_factory = os.fsdecode
    plain.execute("PRAGMA query_only = ON")
    plain.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return plain


def _is_newest(plain: sqlite3.Connection) -> bool:
    (found,) = plain.execute("PRAGMA user_version").fetchone()
    return bool(found == newest_schema())
