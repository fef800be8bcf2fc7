"""Runs statements that are text, with the placeholders of SQLite's driver, on PostgreSQL."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import psycopg

from storage.database.server_address import message_of
from storage.schema.catalogue_errors import CatalogueError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class PlainPostgresql:
    """A driver's connection that takes question marks, and returns names as `os.fsdecode` does.

    Args:
        connection: of psycopg.
        url: of the catalogue, for messages.
    """

    def __init__(self, connection: Any, url: str) -> None:
        self._connection, self._url = connection, url

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> _DecodedRows:
        """Execute a statement; raises CatalogueError if that fails."""
        # Names are BYTEA here, as which their bytes are bound.
        words = sql.replace("CAST(? AS TEXT)", "?").replace("%", "%%").replace("?", "%s")
        try:
            return _DecodedRows(self._connection.execute(words, parameters).fetchall())
        except psycopg.Error as error:
            raise CatalogueError(f"{self._url}: {message_of(error)}") from error


class _DecodedRows:
    """The rows of a statement, all in memory."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = iter(rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return map(_decoded, self._rows)

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row, None after the last."""
        return next(iter(self), None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the remaining rows."""
        return list(self)


def _decoded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(os.fsdecode(value) if isinstance(value, bytes) else value for value in row)
