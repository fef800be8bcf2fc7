"""Base class of the parts of the catalogue: reading, writing, splitting values into batches."""

from __future__ import annotations

import sqlite3
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Executable, Select
    from sqlalchemy.engine import Connection, Engine

    from storage.schema.plain_connection import PlainConnection

_BATCH: Final = 500

_Value = TypeVar("_Value")


class CataloguePart:
    """A part of the catalogue. Safe to share between threads; every method is one transaction.

    Statements that are executed for every file are built once, with parameters: building one takes
    as long as executing it. They are few, as each is a round trip to a server.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def _rows(
        self, statement: Executable, values: Mapping[str, Any] | None = None
    ) -> Sequence[Any]:
        with one_statement(self.engine) as connection:
            return connection.execute(statement, values).all()

    def _row(self, statement: Executable, values: Mapping[str, Any] | None = None) -> Any:
        """Return the first row, None if there is none."""
        with one_statement(self.engine) as connection:
            return connection.execute(statement, values).first()

    def _value(self, statement: Select[_Value]) -> _Value | None:
        """Return the column of the first row, None if there is no row."""
        with one_statement(self.engine) as connection:
            return connection.execute(statement).scalar()

    def _execute(self, statement: Executable, values: Mapping[str, Any]) -> None:
        """Execute a statement that changes rows whatever others write at the same time."""
        with one_statement(self.engine) as connection:
            connection.execute(statement, values)

    def _write(self, *statements: Executable) -> int:
        """Execute statements, and return how many rows the last one matched."""
        with self.engine.begin() as connection:
            return [connection.execute(statement).rowcount for statement in statements][-1]


def reading(engine: Engine) -> Connection:
    """Connect for reading: a snapshot that neither blocks writers nor sees their changes."""
    return engine.connect().execution_options(read_only=True)


def one_statement(engine: Engine) -> Connection:
    """Connect for a single statement, which is a transaction by itself.

    To begin and to end one takes SQLite as long as to read a row; to a server, it is two round
    trips.
    """
    return engine.connect().execution_options(one_statement=True)


def plain_connection(connection: Connection) -> PlainConnection:
    """Return what executes statements that are text, on either database."""
    if is_sqlite(connection):
        return driver_connection(connection)
    from storage.database.plain_postgresql import PlainPostgresql  # noqa: PLC0415 - an extra

    url = connection.engine.url.render_as_string()
    return PlainPostgresql(connection.connection.driver_connection, url)


def is_sqlite(of: Connection | Engine) -> bool:
    """Tell whether the catalogue is a file of SQLite, not on a server."""
    return of.dialect.name == "sqlite"


def driver_connection(connection: Connection) -> sqlite3.Connection:
    """Return the connection of SQLite's driver."""
    plain = connection.connection.driver_connection
    assert isinstance(plain, sqlite3.Connection)
    return plain


def batches(values: Iterable[_Value]) -> Iterator[list[_Value]]:
    """Split values into batches that fit into one condition: SQLite takes at least 999."""
    rest = iter(values)
    while batch := list(islice(rest, _BATCH)):
        yield batch
