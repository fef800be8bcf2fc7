"""Copies a whole catalogue between an SQLite file and a database on a server, either way."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, String, Table, func, select, text

from storage.database.catalogue_file import is_there, only_writer, place_of, writer_of
from storage.database.engine import open_engine
from storage.database.server_address import is_on_server
from storage.database.sessions import is_sqlite, reading
from storage.schema import tables
from storage.schema.catalogue_errors import CatalogueBusy, CatalogueError
from storage.schema.column_types import (
    HexBytes,
    Millionths,
    Milliseconds,
    Moment,
    NameText,
    PathText,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.types import TypeEngine

_ORDER: Final = (
    *(tables.labels, tables.identities, tables.directories, tables.clips, tables.tag_journal),
    *(tables.hearings, tables.given_annotations, tables.predictions, tables.sketches),
    *(tables.queue, tables.known_bundles, tables.folders, tables.trainings, tables.wishes),
    *(tables.timetable, tables.begun_writes, tables.unsketched),
)
"""The tables, each after those that it refers to and those that its triggers read."""

_SINGLE_ROWS: Final = (tables.mood_thresholds, tables.sketch_state)
_BY_TRIGGERS: Final = 8
"""So many of the last columns of `predictions` are filled by the database."""

_AT_ONCE: Final = 1000


def copy_between(source: str, target: str) -> int:
    """Copy a catalogue into an empty one, all or nothing; return the number of rows.

    What a running service says of itself is left out.

    Args:
        source: URL of the catalogue.
        target: URL of another, which is created where needed.

    Raises:
        CatalogueBusy: a service works on one of them.
        CatalogueError: there is no catalogue, the other one is not empty, or one of them cannot be
            read or written.
    """
    if not is_there(source):
        raise CatalogueError(f"{place_of(source)}: there is no catalogue")
    with _unused(source), _unused(target):
        old = open_engine(source)
        try:
            new = open_engine(target)
            try:
                return _copied(old, new, place_of(target))
            finally:
                new.dispose()
        finally:
            old.dispose()


@contextmanager
def _unused(url: str) -> Iterator[None]:
    """Keep services away from a file; require that none works on a server's catalogue."""
    if not is_on_server(url):
        with only_writer(url):
            yield
        return
    if (process := writer_of(url)) is not None:
        raise CatalogueBusy(f"{url}: process {process} works on this catalogue; stop it first")
    yield


def _copied(old: Engine, new: Engine, place: str) -> int:
    with reading(old) as source, new.begin() as target:
        source.begin()
        for table in _ORDER:
            if target.execute(select(func.count()).select_from(table)).scalar():
                raise CatalogueError(f"{place}: holds a catalogue already; name an empty one")
        try:
            rows = sum(_copy_table(source, target, _plain(table)) for table in _ORDER)
        except UnicodeError as error:
            raise CatalogueError(f"{place}: cannot hold a text: {error}") from error
        for table in map(_plain, _SINGLE_ROWS):
            values = source.execute(select(table)).mappings().one()
            target.execute(table.update().values(dict(values)))
        if not is_sqlite(target):
            for table in _ORDER:
                if "id" in table.columns:
                    _advance_numbers(target, table.name)
    return rows


def _copy_table(source: Connection, target: Connection, table: Table) -> int:
    count = 0
    if table.name == tables.predictions.name and not is_sqlite(target):
        # Its triggers look into the other tables, whose sizes the planner does not know yet.
        target.exec_driver_sql("ANALYZE")
    found = source.execute(select(table), execution_options={"yield_per": _AT_ONCE})
    for some in found.mappings().partitions():
        rows = [dict(row) for row in some]
        if table.name == tables.queue.name:
            # No service is analysing it in the new catalogue.
            rows = [row | {"state": row["state"].replace("running", "waiting")} for row in rows]
        target.execute(table.insert(), rows)
        count += len(rows)
    return count


def _plain(table: Table) -> Table:
    """Return a table whose values are copied as they are stored."""
    columns = list(table.columns)
    if table is tables.predictions:
        columns = columns[:-_BY_TRIGGERS]
    return Table(
        table.name, MetaData(), *(Column(each.name, _stored(each.type)) for each in columns)
    )


def _stored(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    if isinstance(kind, PathText):
        return NameText()
    if isinstance(kind, Moment):
        return String()
    if isinstance(kind, HexBytes):
        return LargeBinary()
    return BigInteger() if isinstance(kind, Milliseconds | Millionths) else kind


def _advance_numbers(target: Connection, name: str) -> None:
    """Let a server number new rows after those that were copied with their numbers."""
    last = f"(SELECT coalesce(max(id), 0) + 1 FROM {name})"  # noqa: S608 - a table of ours
    statement = text(f"SELECT setval(pg_get_serial_sequence(:name, 'id'), {last}, false)")
    target.execute(statement, {"name": name})
