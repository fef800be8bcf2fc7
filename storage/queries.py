"""Finds sounds, and reads what belongs to them. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String, case, func, select, type_coerce

from storage.database.sessions import CataloguePart, driver_connection, is_sqlite, reading
from storage.queue import GIVEN_UP
from storage.schema.clip_rows import FILES, PATH, sound_with
from storage.schema.packed_curve import unpack_curve
from storage.schema.records import Counts, Failure, FolderState, TagState
from storage.schema.tables import clips, folders, hearings, labels, predictions, queue
from storage.search.finder import Finder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

    from storage.schema.records import CurvePoint, Sound
    from storage.schema.sound_filter import SoundFilter
    from storage.search.found_rows import SoundSearch


class Queries(CataloguePart):
    """Queries of one catalogue."""

    def sounds(self, wanted: SoundFilter) -> list[Sound]:
        """Return the sounds that match, in the order of the filter, else by path."""
        with reading(self.engine) as connection:
            # What begins a transaction of SQLAlchemy begins the snapshot, too.
            connection.begin()
            return _search_on(connection).sounds(wanted)

    def vectors(self, feature_settings: str) -> Iterator[tuple[Path, bytes]]:
        """Yield path and packed feature vector, of these settings, of each sound with a file."""
        statement = (
            select(PATH, hearings.c.vector)
            .select_from(FILES)
            .join(hearings, hearings.c.sound_id == clips.c.sound_id)
            .join(labels, labels.c.id == hearings.c.settings)
            .where(clips.c.missing_since.is_(None), labels.c.label == feature_settings)
        )
        with reading(self.engine) as connection:
            for row in connection.execute(statement, execution_options={"yield_per": 256}):
                yield row.path, row.vector

    def curve(self, identity: str) -> list[CurvePoint]:
        """Return arousal and valence over the time of one sound."""
        own = predictions.c.sound_id == sound_with(identity)
        packed = self._value(select(predictions.c.curve).where(own))
        return [] if packed is None else unpack_curve(packed)

    def failures(self, path: Path | None = None) -> list[Failure]:
        """Return the failures of all files, or of one."""
        columns = queue.c.path, queue.c.reason, queue.c.attempts, _RETRY_AT
        statement = select(*columns).where(queue.c.reason.is_not(None)).order_by(queue.c.path)
        if path is not None:
            statement = statement.where(queue.c.path == path)
        return [Failure(*row) for row in self._rows(statement)]

    def counts(self, now: datetime) -> Counts:
        """Count known, pending and failed files, pending tags, and tags given up."""
        present = clips.c.missing_since.is_(None)
        waiting = queue.c.state.in_(["waiting", "running"])
        statement = select(
            _count(clips.c.id, present),
            _count(queue.c.path, waiting & (queue.c.due_at <= now)),
            _count(queue.c.path, queue.c.reason.is_not(None)),
            _count(clips.c.id, present & (clips.c.tag_state == TagState.PENDING)),
            _count(clips.c.id, present & (clips.c.tag_state == TagState.NOT_WRITTEN)),
        )
        (row,) = self._rows(statement)
        return Counts(*row)

    def folders(self) -> list[FolderState]:
        """Return the states of the watched folders, as the service last recorded them."""
        return [FolderState(*row) for row in self._rows(select(folders).order_by(folders.c.path))]


def _search_on(connection: Connection) -> SoundSearch:
    if is_sqlite(connection):
        return Finder(driver_connection(connection))
    from storage.search.postgresql_finder import PostgresqlFinder  # noqa: PLC0415 - seldom needed

    return PostgresqlFinder(connection)


_RETRY_AT: Final = case((queue.c.state != GIVEN_UP, type_coerce(queue.c.due_at, String)))


def _count(column: ColumnElement[Any], condition: ColumnElement[bool]) -> Any:
    return select(func.count(column)).where(condition).scalar_subquery()
