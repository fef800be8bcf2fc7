"""Finds sounds by mood, range, nearness or folder, and reads what belongs to them. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, case, func, select

from storage.database.sessions import CataloguePart, reading
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
    from sqlalchemy.engine import Connection

    from storage.schema.sound_filter import SoundFilter


class Queries(CataloguePart):
    """Queries of one catalogue."""

    def sounds(self, wanted: SoundFilter) -> list[Sound]:
        """Return the sounds that match, in the order of the filter, else by path."""
        with reading(self.engine) as connection:
            statement = _selected(wanted, _thresholds(connection, wanted))
            return [
                Sound(**{**row._asdict(), "mood": Mood(row.mood)})
                for row in connection.execute(statement)
            ]

    def vectors(self, feature_settings: str) -> Iterator[tuple[Path, bytes]]:
        """Yield path and packed feature vector, of these settings, of each sound with a file."""
        statement = (
            select(clips.c.path, hearings.c.vector)
            .join(hearings, hearings.c.identity == clips.c.identity)
            .where(clips.c.missing_since.is_(None), hearings.c.settings == feature_settings)
        )
        with reading(self.engine) as connection:
            for row in connection.execution_options(yield_per=256).execute(statement):
                yield row.path, row.vector

    def curve(self, identity: str) -> list[CurvePoint]:
        """Return arousal and valence over the time of one sound."""
        statement = (
            select(curve_points.c.start_s, curve_points.c.arousal, curve_points.c.valence)
            .where(curve_points.c.identity == identity)
            .order_by(curve_points.c.start_s)
        )
        return [CurvePoint(*row) for row in self._rows(statement)]

    def failures(self, path: Path | None = None) -> list[Failure]:
        """Return the failures of all files, or of one."""
        statement = select(failures).order_by(failures.c.path)
        if path is not None:
            statement = statement.where(failures.c.path == path)
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

    def published_bundle(self) -> str | None:
        """Return the name of the published bundle, None before the first start."""
        return self._value(select(known_bundles.c.name).where(known_bundles.c.in_service == 1))


class _Thresholds(NamedTuple):
    calm_below: float
    energetic_from: float
    unpleasant_below: float
    pleasant_from: float


def _count(column: ColumnElement[Any], condition: ColumnElement[bool]) -> Any:
    return select(func.count(column)).where(condition).scalar_subquery()


def _thresholds(connection: Connection, wanted: SoundFilter) -> _Thresholds:
    if wanted.percentile is None:
        arousal, valence = wanted.thresholds
        return _Thresholds(arousal, arousal, valence, valence)
    shares = wanted.percentile / 100, 1 - wanted.percentile / 100
    return _Thresholds(
        *(
            _quantile(connection, column, share)
            for column in (sounds.c.arousal, sounds.c.valence)
            for share in shares
        )
    )


def _quantile(connection: Connection, column: ColumnElement[float], share: float) -> float:
    total = connection.execute(select(func.count()).select_from(sounds)).scalar_one()
    position = min(max(round(share * (total - 1)), 0), max(total - 1, 0))
    statement = select(column).order_by(column).offset(position).limit(1)
    return float(connection.execute(statement).scalar() or 0.0)


def _selected(wanted: SoundFilter, thresholds: _Thresholds) -> Select[Any]:
    arousal, valence = wanted.thresholds
    mood = case(
        (and_(sounds.c.arousal >= arousal, sounds.c.valence >= valence), "energetic"),
        (sounds.c.arousal >= arousal, "tense"),
        (sounds.c.valence < valence, "sad"),
        else_="calm",
    ).label("mood")
    columns = [mood if column.name == "mood" else column for column in sounds.columns]
    statement = select(*columns).where(*_conditions(wanted, thresholds)).order_by(*_order(wanted))
    return statement if wanted.limit is None else statement.limit(wanted.limit)


def _conditions(wanted: SoundFilter, thresholds: _Thresholds) -> Iterator[ColumnElement[bool]]:
    if wanted.mood in {Mood.CALM, Mood.SAD}:
        yield sounds.c.arousal < thresholds.calm_below
    elif wanted.mood is not None:
        yield sounds.c.arousal >= thresholds.energetic_from
    if wanted.mood in {Mood.SAD, Mood.TENSE}:
        yield sounds.c.valence < thresholds.unpleasant_below
    elif wanted.mood is not None:
        yield sounds.c.valence >= thresholds.pleasant_from
    yield sounds.c.arousal.between(*wanted.arousal)
    yield sounds.c.valence.between(*wanted.valence)
    if wanted.kind is not None:
        yield sounds.c.kind == wanted.kind
    if wanted.path is not None:
        yield sounds.c.path == wanted.path
    if wanted.under is not None:
        yield below(sounds.c.path, wanted.under)


def _order(wanted: SoundFilter) -> Iterator[ColumnElement[Any]]:
    if wanted.near is not None:
        arousal, valence = wanted.near
        d_arousal, d_valence = sounds.c.arousal - arousal, sounds.c.valence - valence
        yield d_arousal * d_arousal + d_valence * d_valence
    if wanted.sort is not None:
        column = sounds.c[wanted.sort.removeprefix("-")]
        yield column.desc() if wanted.sort.startswith("-") else column
    yield sounds.c.path
