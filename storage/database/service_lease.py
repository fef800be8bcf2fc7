"""Which services work on a catalogue on a server, and which of them is the main one."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from storage.database.postgresql_engine import open_on_server
from storage.database.sessions import reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

LEASE_S: Final = 60
"""A service that was not heard of for so long counts as ended, by the clock of the server."""

_FORGET_DEAD: Final = text(
    "DELETE FROM services WHERE name <> :name"
    " AND seen_at < clock_timestamp() - make_interval(secs => :lease_s)"
)
_COME: Final = text(
    "INSERT INTO services (name, process, seen_at) VALUES (:name, :process, clock_timestamp())"
    " ON CONFLICT (name) DO UPDATE SET process = :process, seen_at = clock_timestamp()"
)
_BE_MAIN: Final = text(
    "UPDATE services SET is_main = true WHERE name = :name"
    " AND NOT EXISTS (SELECT 1 FROM services WHERE is_main AND name <> :name)"
)
_RELEASE_OF_DEAD: Final = text(
    "UPDATE queue SET state = 'waiting' WHERE state = 'running' AND claimed_by IS NOT NULL"
    " AND claimed_by NOT IN (SELECT name FROM services)"
)
_GO: Final = text("DELETE FROM services WHERE name = :name")
_MAIN: Final = text(
    "SELECT process FROM services WHERE is_main"
    " AND seen_at >= clock_timestamp() - make_interval(secs => :lease_s)"
)


@dataclass(frozen=True)
class Renewal:
    """What a renewal found.

    Attributes:
        is_main: whether this service is the main one from now on.
        released: unfinished files of services that have ended; they wait again.
    """

    is_main: bool
    released: int


class ServiceLease:
    """The place of one service among those that work on a catalogue.

    Args:
        url: of the catalogue.
        name: of the service, which no other has.

    Raises:
        CatalogueError: as `open_on_server`.
    """

    def __init__(self, url: str, name: str) -> None:
        self._engine = open_on_server(url)
        self._own = {"name": name, "process": os.getpid()}

    def renew(self) -> Renewal:
        """Tell the others that this service lives; make it the main one if there is none.

        Raises:
            CatalogueError: the server cannot be reached.
        """
        with self._engine.begin() as connection:
            connection.execute(_FORGET_DEAD, {**self._own, "lease_s": LEASE_S})
            connection.execute(_COME, self._own)
            is_main = connection.execute(_BE_MAIN, self._own).rowcount > 0
            released = connection.execute(_RELEASE_OF_DEAD).rowcount
        return Renewal(is_main, released)

    def give_up(self) -> None:
        """Leave the place to others; raises CatalogueError if the server cannot be reached."""
        with self._engine.begin() as connection:
            connection.execute(_GO, self._own)
            connection.execute(_RELEASE_OF_DEAD)

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()


def main_process(url: str) -> int | None:
    """Return the id of the process of the main service, on whatever machine; None if none runs."""
    with _connection(url) as connection:
        found: int | None = connection.execute(_MAIN, {"lease_s": LEASE_S}).scalar()
    return found


def database_size(url: str) -> int:
    """Return the size of the database in bytes."""
    with _connection(url) as connection:
        size: int = connection.execute(
            text("SELECT pg_database_size(current_database())")
        ).scalar_one()
    return size


@contextmanager
def _connection(url: str) -> Iterator[Connection]:
    engine = open_on_server(url)
    try:
        with reading(engine) as connection:
            yield connection
    finally:
        engine.dispose()
