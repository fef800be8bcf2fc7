"""Tells whether a catalogue has changed since it was last asked."""

from __future__ import annotations

import secrets
import sqlite3
from threading import Lock
from typing import TYPE_CHECKING

from storage.database.catalogue_file import file_of
from storage.database.server_address import is_on_server
from storage.database.sessions import one_statement
from storage.schema.catalogue_errors import CatalogueError
from storage.search.reader import connect_for_reading

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Engine


class CatalogueRevision:
    """A text that changes with each change of a catalogue by anybody.

    It costs no more than a look at memory that SQLite shares, or a question to the server. A text
    of another process, or of another file at the same place, is never the same.

    Args:
        url: of the catalogue.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = Lock()
        self._plain: sqlite3.Connection | None = None
        self._engine: Engine | None = None
        self._of: tuple[int, int] | None = None
        self._mark = ""

    def current(self) -> str:
        """Return the present one; raises CatalogueError if there is no catalogue."""
        if is_on_server(self._url):
            return self._of_server()
        file = file_of(self._url)
        with self._lock:
            try:
                status = file.stat()
                if self._plain is None or self._of != (status.st_dev, status.st_ino):
                    self._reopen(file, (status.st_dev, status.st_ino))
                assert self._plain is not None
                (version,) = self._plain.execute("PRAGMA data_version").fetchone()
            except (OSError, sqlite3.Error) as error:
                raise CatalogueError(f"{file}: {error}") from error
        return f"{self._mark}.{version}"

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        with self._lock:
            if self._plain is not None:
                self._plain.close()
                self._plain = None
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def _of_server(self) -> str:
        from storage.database.postgresql_engine import open_on_server  # noqa: PLC0415 - an extra

        with self._lock:
            if self._engine is None:
                self._engine = open_on_server(self._url, reads_only=True)
                self._mark = secrets.token_hex(4)
            with one_statement(self._engine) as connection:
                # It changes when a transaction that writes begins, and when one ends.
                asked = "SELECT pg_current_snapshot()::text"
                return f"{self._mark}.{connection.exec_driver_sql(asked).scalar_one()}"

    def _reopen(self, file: Path, of: tuple[int, int]) -> None:
        if self._plain is not None:
            self._plain.close()
        self._plain = connect_for_reading(file, shared=True)
        self._of, self._mark = of, secrets.token_hex(4)
