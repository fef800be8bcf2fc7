"""Finds sounds: by mood, by range, by nearness, under a folder. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, select

from storage.database.sessions import reading
from storage.schema.records import Counts, CurvePoint, Failure, FolderState, Mood, Sound, TagState
from storage.schema.tables import (
    below,
    clips,
    curve_points,
    folders,
    hearings,
    known_bundles,
    queue,
)
from storage.schema.views import failures, sounds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.engine import Connection, Engine

SORT_KEYS = tuple(column.name for column in fields(Sound))
OPEN_RANGE = (-1.0, 1.0)


@dataclass(frozen=True)
class SoundFilter:
    """What is asked of the catalogue. Every condition must hold.

    Attributes:
        mood: a quadrant, or None for all.
        thresholds: borders of the quadrants (arousal, valence), in [-1, 1].
        percentile: cut the quadrants relative to this library instead: calm is then what is
            among the lowest `percentile` percent in arousal and the highest in valence.
        arousal: lowest and highest value accepted.
        valence: lowest and highest value accepted.
        near: a point (arousal, valence); the nearest come first.
        under: a folder.
        path: a single file.
        sort: a column of `sounds`, with `-` in front for falling order.
        limit: at most this many rows.
    """

    mood: Mood | None = None
    thresholds: tuple[float, float] = (0.0, 0.0)
    percentile: float | None = None
    arousal: tuple[float, float] = OPEN_RANGE
    valence: tuple[float, float] = OPEN_RANGE
    near: tuple[float, float] | None = None
    under: Path | None = None
    path: Path | None = None
    sort: str | None = None
    limit: int | None = None


@dataclass(frozen=True)
class PublishedBundle:
    """The bundle in service, as the catalogue remembers it."""

    name: str
    created_at: str


@dataclass(frozen=True)
class Queries:
    """Questions to one catalogue."""

    engine: Engine

    def sounds(self, asked: SoundFilter) -> list[Sound]:
        """Return the sounds that match, in the order asked for (by path if none was)."""
        with reading(self.engine) as connection:
            borders = self._borders(connection, asked)
            statement = _selected(asked, borders)
            return [_sound(row) for row in connection.execute(statement)]

    def vectors(self) -> Iterator[tuple[Path, bytes]]:
        """Yield path and packed feature vector of every sound that has a file."""
        statement = (
            select(clips.c.path, hearings.c.vector)
            .join(hearings, hearings.c.identity == clips.c.identity)
            .where(clips.c.missing_since.is_(None))
        )
        with reading(self.engine) as connection:
            for row in connection.execution_options(yield_per=256).execute(statement):
                yield row.path, row.vector

    def curve(self, identity: str) -> list[CurvePoint]:
        """Return the course of affect over one sound."""
        statement = (
            select(curve_points)
            .where(curve_points.c.identity == identity)
            .order_by(curve_points.c.start_s)
        )
        with reading(self.engine) as connection:
            return [
                CurvePoint(row.start_s, row.arousal, row.valence)
                for row in connection.execute(statement)
            ]

    def failures(self, path: Path | None = None) -> list[Failure]:
        """Return what could not be heard and why, of all files or of one."""
        statement = select(failures).order_by(failures.c.path)
        if path is not None:
            statement = statement.where(failures.c.path == path)
        with reading(self.engine) as connection:
            return [
                Failure(row.path, row.reason, row.attempts, row.retry_at)
                for row in connection.execute(statement)
            ]

    def counts(self, now: datetime) -> Counts:
        """Count known, pending and failed files, tags to be written, and those given up."""
        present = clips.c.missing_since.is_(None)
        waiting = queue.c.state.in_(["waiting", "running"])
        statement = select(
            _count(clips.c.id, present),
            _count(queue.c.path, waiting & (queue.c.due_at <= now)),
            _count(queue.c.path, queue.c.reason.is_not(None)),
            _count(clips.c.id, present & (clips.c.tag_state == TagState.PENDING)),
            _count(clips.c.id, present & (clips.c.tag_state == TagState.NOT_WRITTEN)),
        )
        with reading(self.engine) as connection:
            return Counts(*connection.execute(statement).one())

    def folders(self) -> list[FolderState]:
        """Return how the watched folders stood when the service last looked."""
        with reading(self.engine) as connection:
            rows = connection.execute(select(folders).order_by(folders.c.path))
            return [FolderState(*row) for row in rows]

    def bundle_in_service(self) -> PublishedBundle | None:
        """Return the bundle that predicts, None before the first start."""
        statement = select(known_bundles).where(known_bundles.c.in_service == 1)
        with reading(self.engine) as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else PublishedBundle(row.name, row.created_at)

    def _borders(self, connection: Connection, asked: SoundFilter) -> _Borders:
        if asked.percentile is None:
            arousal, valence = asked.thresholds
            return _Borders(arousal, arousal, valence, valence)
        low, high = asked.percentile / 100, 1 - asked.percentile / 100
        return _Borders(
            _quantile(connection, sounds.c.arousal, low),
            _quantile(connection, sounds.c.arousal, high),
            _quantile(connection, sounds.c.valence, low),
            _quantile(connection, sounds.c.valence, high),
        )


@dataclass(frozen=True)
class _Borders:
    calm_below: float
    energetic_from: float
    unpleasant_below: float
    pleasant_from: float


def _count(column: ColumnElement[Any], condition: ColumnElement[bool]) -> Any:
    return select(func.count(column)).where(condition).scalar_subquery()


def _quantile(connection: Connection, column: ColumnElement[float], share: float) -> float:
    total = connection.execute(select(func.count()).select_from(sounds)).scalar_one()
    position = min(max(round(share * (total - 1)), 0), max(total - 1, 0))
    statement = select(column).order_by(column).offset(position).limit(1)
    return float(connection.execute(statement).scalar() or 0.0)


def _selected(asked: SoundFilter, borders: _Borders) -> Select[Any]:
    arousal, valence = asked.thresholds
    mood = case(
        (and_(sounds.c.arousal >= arousal, sounds.c.valence >= valence), "energetic"),
        (sounds.c.arousal >= arousal, "tense"),
        (sounds.c.valence < valence, "sad"),
        else_="calm",
    ).label("mood")
    columns = [mood if column.name == "mood" else column for column in sounds.columns]
    statement = select(*columns).where(*_conditions(asked, borders)).order_by(*_order(asked))
    return statement if asked.limit is None else statement.limit(asked.limit)


def _conditions(asked: SoundFilter, borders: _Borders) -> Iterator[ColumnElement[bool]]:
    if asked.mood in {Mood.CALM, Mood.SAD}:
        yield sounds.c.arousal < borders.calm_below
    elif asked.mood is not None:
        yield sounds.c.arousal >= borders.energetic_from
    if asked.mood in {Mood.SAD, Mood.TENSE}:
        yield sounds.c.valence < borders.unpleasant_below
    elif asked.mood is not None:
        yield sounds.c.valence >= borders.pleasant_from
    yield sounds.c.arousal.between(*asked.arousal)
    yield sounds.c.valence.between(*asked.valence)
    if asked.path is not None:
        yield sounds.c.path == asked.path
    if asked.under is not None:
        yield below(sounds.c.path, asked.under)


def _order(asked: SoundFilter) -> Iterator[Any]:
    if asked.near is not None:
        arousal, valence = asked.near
        d_arousal, d_valence = sounds.c.arousal - arousal, sounds.c.valence - valence
        yield d_arousal * d_arousal + d_valence * d_valence
    if asked.sort is not None:
        column = sounds.c[asked.sort.removeprefix("-")]
        yield column.desc() if asked.sort.startswith("-") else column
    yield sounds.c.path


def _sound(row: Any) -> Sound:
    values = row._asdict()
    return Sound(**{**values, "mood": Mood(values["mood"])})
