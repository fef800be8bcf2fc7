"""Tells whether a catalogue has changed since it was last asked."""

from __future__ import annotations

import secrets
import sqlite3
from threading import Lock

from storage.database.catalogue_file import file_of
from storage.schema.catalogue_errors import CatalogueError
from storage.search.reader import connect_for_reading


class CatalogueRevision:
    """A text that changes with each change of a catalogue by anybody.

    It costs no more than a look at memory that SQLite shares. A text of another process, or of
    another file at the same place, is never the same.

    Args:
        url: of the catalogue.
    """

    def __init__(self, url: str) -> None:
        self._file = file_of(url)
        self._lock = Lock()
        self._plain: sqlite3.Connection | None = None
        self._of: tuple[int, int] | None = None
        self._mark = ""

    def current(self) -> str:
        """Return the present one; raises CatalogueError if there is no catalogue."""
        with self._lock:
            try:
                status = self._file.stat()
                if self._plain is None or self._of != (status.st_dev, status.st_ino):
                    self._reopen((status.st_dev, status.st_ino))
                assert self._plain is not None
                (version,) = self._plain.execute("PRAGMA data_version").fetchone()
            except (OSError, sqlite3.Error) as error:
                raise CatalogueError(f"{self._file}: {error}") from error
        return f"{self._mark}.{version}"

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        with self._lock:
            if self._plain is not None:
                self._plain.close()
                self._plain = None

    def _reopen(self, of: tuple[int, int]) -> None:
        if self._plain is not None:
            self._plain.close()
        self._plain = connect_for_reading(self._file, shared=True)
        self._of, self._mark = of, secrets.token_hex(4)
