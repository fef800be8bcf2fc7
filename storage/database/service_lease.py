"""Which services work on a catalogue on a server: which is the main one, which has which folder."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, MetaData, String, Table, delete, insert, select, text

from storage.database.postgresql_engine import open_on_server
from storage.database.postgresql_schema import LEASE_S
from storage.database.sessions import reading
from storage.schema.column_types import PathText

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy.engine import Connection

_FORGET_DEAD: Final = text(
    "DELETE FROM services WHERE name <> :name"
    " AND seen_at < clock_timestamp() - make_interval(secs => :lease_s)"
)
_COME: Final = text(
    "INSERT INTO services (name, process, seen_at) VALUES (:name, :process, clock_timestamp())"
    " ON CONFLICT (name) DO UPDATE SET process = :process, seen_at = clock_timestamp()"
    " RETURNING xmax = 0"  # of a row that was inserted
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
_LEASES: Final = Table(
    "folder_leases", MetaData(), Column("folder", PathText), Column("service", String)
)


@dataclass(frozen=True)
class Renewal:
    """What a renewal found.

    Attributes:
        is_main: whether this service is the main one from now on.
        released: unfinished files of services that have ended; they wait again.
        folders: those that this service holds from now on.
        refused: those that it does not get, each with the service that holds it, or a folder
            inside or around it.
        is_new: whether this service was unknown: it is new, or another has taken it for dead.
    """

    is_main: bool
    released: int
    folders: frozenset[Path] = frozenset()
    refused: Mapping[Path, str] = field(default_factory=dict)
    is_new: bool = False


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
        self._own: dict[str, Any] = {"name": name, "process": os.getpid()}

    def renew(self, folders: Collection[Path] = ()) -> Renewal:
        """Tell the others that this service lives; make it the main one if there is none.

        Args:
            folders: those that it wants to hold. Others that it holds are given up.

        Raises:
            CatalogueError: the server cannot be reached.
        """
        with self._engine.begin() as connection:
            connection.execute(_FORGET_DEAD, {**self._own, "lease_s": LEASE_S})
            is_new = bool(connection.execute(_COME, self._own).scalar_one())
            is_main = connection.execute(_BE_MAIN, self._own).rowcount > 0
            released = connection.execute(_RELEASE_OF_DEAD).rowcount
            refused = _lease(connection, self._own["name"], folders)
        return Renewal(is_main, released, frozenset(folders) - refused.keys(), refused, is_new)

    def give_up(self) -> None:
        """Leave the place to others; raises CatalogueError if the server cannot be reached."""
        with self._engine.begin() as connection:
            connection.execute(_GO, self._own)
            connection.execute(_RELEASE_OF_DEAD)

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()


def _lease(connection: Connection, name: str, wanted: Collection[Path]) -> dict[Path, str]:
    """Give a service the folders that it wants, but those that it does not get; return these.

    One that tries to get others at the same moment waits: writers take turns.
    """
    held = {row.folder: row.service for row in connection.execute(select(_LEASES))}
    own = {folder for folder, service in held.items() if service == name}
    refused = {
        folder: service
        for folder in wanted
        for other, service in held.items()
        if service != name and (folder.is_relative_to(other) or other.is_relative_to(folder))
    }
    if given_up := own.difference(wanted):
        connection.execute(delete(_LEASES).where(_LEASES.c.folder.in_(given_up)))
    if new := set(wanted) - own - refused.keys():
        connection.execute(insert(_LEASES), [{"folder": each, "service": name} for each in new])
    return refused


def folder_holders(url: str) -> dict[Path, str]:
    """Return the folders that are held, each with its service, in the order of their paths."""
    with _connection(url) as connection:
        rows = connection.execute(select(_LEASES).order_by(_LEASES.c.folder))
        return {row.folder: row.service for row in rows}


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
