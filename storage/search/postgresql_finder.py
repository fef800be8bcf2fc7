"""Finds sounds in a catalogue on a PostgreSQL server, whose planner chooses the ways to them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from math import isqrt
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    and_,
    case,
    func,
    literal,
    not_,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import array

from storage.database.postgresql_engine import open_on_server
from storage.database.sessions import plain_connection, reading
from storage.schema.clip_rows import PATH, label_of
from storage.schema.column_formats import MILLION
from storage.schema.column_types import NameText
from storage.schema.records import SOUND_KINDS, Mood
from storage.schema.tables import clips, directories, predictions
from storage.search.demands import Thresholds, spans_of
from storage.search.found_rows import SoundSearch
from storage.search.map_points import AFFECT_STEPS, ANNOTATED, AT_ONCE, NOVELTY_STEPS, format_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.engine import Connection

    from storage.schema.plain_connection import PlainConnection
    from storage.schema.sound_filter import SoundFilter

    Row = tuple[Any, ...]
    _Point = tuple[float, float]


def _whole(column: str) -> ColumnElement[int]:
    """Return a column of `predictions` as the whole number that it holds."""
    return type_coerce(predictions.c[column], BigInteger)


def _low(axis: str) -> Any:
    end = func.larger(_whole(f"rated_{axis}") - _whole(f"{axis}_reach"), -MILLION)
    return func.coalesce(end, _whole(f"{axis}_low"))


def _high(axis: str) -> Any:
    end = func.smaller(_whole(f"rated_{axis}") + _whole(f"{axis}_reach"), MILLION)
    return func.coalesce(end, _whole(f"{axis}_high"))


_RATED: Final = (predictions.c.rated_arousal, predictions.c.rated_valence)
_IS_ANNOTATED: Final = and_(*(column.is_not(None) for column in _RATED))
_TAG_STATE: Final = clips.c.tag_state.op("||")(func.coalesce(": " + clips.c.tag_reason, ""))
_FROM: Final = clips.join(directories, directories.c.id == clips.c.directory_id).join(
    predictions, predictions.c.sound_id == clips.c.sound_id
)
_PRESENT: Final = clips.c.missing_since.is_(None)
_COLUMNS: Final = (
    type_coerce(PATH, NameText),
    *(_whole("shown_arousal"), _low("arousal"), _high("arousal")),
    *(_whole("shown_valence"), _low("valence"), _high("valence")),
    *(_whole("novelty"), predictions.c.duration_ms),
    case((not_(_IS_ANNOTATED), predictions.c.bundle)).label("by"),
    *(_whole("analysed_at"), _TAG_STATE, predictions.c.kind, _whole("kind_probability")),
    *(clips.c.id, predictions.c.sound_id),
)
"""As `COLUMNS` of `found_rows`."""

_KEYS: Final[dict[str, Any]] = {
    "arousal": _whole("shown_arousal"),
    "valence": _whole("shown_valence"),
    "novelty": _whole("novelty"),
    "duration_s": predictions.c.duration_ms,
    "analysed_at": _whole("analysed_at"),
    "interval": _whole("width"),
    "arousal_low": _low("arousal"),
    "arousal_high": _high("arousal"),
    "valence_low": _low("valence"),
    "valence_high": _high("valence"),
    "bundle": case((_IS_ANNOTATED, "annotation"), else_=label_of(predictions.c.bundle)),
    "tag_state": _TAG_STATE,
}
_BY_PATH: Final = (directories.c.path, clips.c.name)
_LONGEST_SUFFIX: Final = 6
_KIND_NUMBERS: Final = {kind: number for number, kind in enumerate(SOUND_KINDS, start=1)}


class PostgresqlFinder(SoundSearch):
    """Finds sounds in one snapshot of a catalogue on a server.

    Args:
        connection: within a transaction.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(plain_connection(connection))
        self._own = connection

    def rows(self, wanted: SoundFilter) -> Sequence[Row]:
        """Return the rows of `COLUMNS` that match, in the order of the filter."""
        statement = self._matching(wanted)
        if wanted.near is not None and wanted.limit is not None:
            statement = self._within_reach(statement, wanted.near, wanted.limit)
        return self._read(statement.order_by(*_order(wanted)).limit(wanted.limit))

    def rows_of_sounds(self, wanted: SoundFilter, numbers: Sequence[int]) -> Sequence[Row]:
        """Return the rows of some sounds that match, in order; the limit is left out."""
        own = predictions.c.sound_id == func.any(_array(numbers))
        return self._read(self._matching(wanted).where(own).order_by(*_order(wanted)))

    def rows_of_files(self, numbers: Sequence[int]) -> Sequence[Row]:
        """Return the rows of the files with some numbers, in their order; others are left out."""
        given = _array(numbers)
        own = select(*_COLUMNS).select_from(_FROM).where(_PRESENT, clips.c.id == func.any(given))
        return self._read(own.order_by(func.array_position(given, clips.c.id)))

    def points(self, wanted: SoundFilter, limit: int) -> Iterator[list[Row]]:
        """Yield what a map shows of the sounds that match, in no order, many at once."""
        statement = self._matching(wanted).with_only_columns(*_POINT).limit(limit)
        found = self._own.execute(statement, execution_options={"yield_per": AT_ONCE})
        for rows in found.partitions():
            yield [
                (*values, format_of(os.fsdecode(end)), annotated)
                for *values, end, annotated in rows
            ]

    def thresholds(self, wanted: SoundFilter) -> Thresholds:
        """Return the thresholds of a query; a percentile counts only with a mood."""
        arousal, valence = (round(MILLION * value) for value in wanted.thresholds)
        if wanted.percentile is not None and wanted.mood is not None:
            share = wanted.percentile / 100
            is_pleasant = wanted.mood in {Mood.CALM, Mood.ENERGETIC}
            is_energetic = wanted.mood in {Mood.ENERGETIC, Mood.TENSE}
            arousal = self._at_share("shown_arousal", share, down=is_energetic)
            valence = self._at_share("shown_valence", share, down=is_pleasant)
        return Thresholds(arousal, arousal, valence, valence)

    def _at_share(self, column: str, share: float, *, down: bool) -> int:
        """Return the value of a column that a share of the sounds lies below, or above."""
        value, shown = _whole(column), predictions.c.files > 0
        count = self._own.execute(select(func.count()).where(shown)).scalar_one()
        ordered = select(value).where(shown).order_by(value.desc() if down else value)
        rank = round(share * max(count - 1, 0))
        return self._own.execute(ordered.offset(rank).limit(1)).scalar() or 0

    def _matching(self, wanted: SoundFilter) -> Select[Any]:
        conditions = [_PRESENT, predictions.c.files > 0, *_file_conditions(wanted)]
        for column, span in spans_of(wanted, self.thresholds(wanted)).items():
            conditions.append(_whole(column).between(*span))
        if wanted.kind is not None:
            conditions.append(predictions.c.kind == wanted.kind)
        return select(*_COLUMNS).select_from(_FROM).where(*conditions)

    def _within_reach(self, statement: Select[Any], near: _Point, limit: int) -> Select[Any]:
        """Return a statement without the rows that are farther than the last of the nearest.

        The index of places tells the nearest, but rounds distances, which the order must not.
        """
        place = func.point(_whole("shown_arousal"), _whole("shown_valence"))
        arousal, valence = (round(MILLION * value) for value in near)
        distance = _distance(near).label("distance")
        nearest = statement.with_only_columns(distance).order_by(
            place.op("<->")(func.point(arousal, valence))
        )
        found = self._own.execute(nearest.limit(limit)).scalars().all()
        if len(found) < limit:
            return statement
        farthest = max(found)
        reach = isqrt(farthest) + 1
        corners = (func.point(arousal + sign * reach, valence + sign * reach) for sign in (-1, 1))
        is_in_square = place.op("<@", return_type=Boolean())(func.box(*corners))
        return statement.where(is_in_square, distance <= farthest)

    def _read(self, statement: Select[Any]) -> list[Row]:
        return [tuple(row) for row in self._own.execute(statement)]


def _array(numbers: Sequence[int]) -> Any:
    return literal(list(numbers), array([], type_=BigInteger).type)


def _file_conditions(wanted: SoundFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.path is not None:
        yield _is(wanted.path)
    if wanted.but is not None:
        yield not_(_is(wanted.but))
    if wanted.under is not None:
        start = str(wanted.under).rstrip("/")
        # "0" is the character after "/".
        yield directories.c.path >= literal(start + "/", NameText)
        yield directories.c.path < literal(start + "0", NameText)
    for text in wanted.text:
        # In Latin 1 every byte is a character, and in the collation "C" only ASCII has two cases.
        lowered = func.lower(func.convert_from(PATH, "LATIN1").collate("C"))
        yield func.strpos(lowered, os.fsencode(text).lower().decode("latin-1")) > 0


def _is(path: Path) -> ColumnElement[bool]:
    folder, slash, name = str(path).rpartition("/")
    return and_(
        directories.c.path == literal(folder + slash, NameText),
        clips.c.name == literal(name, NameText),
    )


def _order(wanted: SoundFilter) -> Iterator[Any]:
    """Yield the order of a query: by nearness, then by its key, then by path."""
    if wanted.near is not None:
        yield _distance(wanted.near)
    key, is_down = (wanted.sort or "path").removeprefix("-"), (wanted.sort or "").startswith("-")
    if key == "path":
        yield from (column.desc() if is_down else column for column in _BY_PATH)
        return
    if key in {"kind", "kind_probability"}:
        # What is unknown is the least, as in SQLite.
        value: Any = predictions.c[key]
        yield value.desc().nulls_last() if is_down else value.asc().nulls_first()
    else:
        value = _mood(wanted.thresholds) if key == "mood" else _KEYS[key]
        yield value.desc() if is_down else value
    yield from _BY_PATH


def _distance(near: _Point) -> ColumnElement[int]:
    """Return the square of the distance of a sound from a point (arousal, valence)."""
    arousal, valence = (
        _whole(f"shown_{axis}") - round(MILLION * value)
        for axis, value in zip(("arousal", "valence"), near, strict=True)
    )
    return arousal * arousal + valence * valence


def _mood(thresholds: tuple[float, float]) -> ColumnElement[str]:
    arousal, valence = (round(MILLION * value) for value in thresholds)
    is_energetic = _whole("shown_arousal") >= arousal
    is_pleasant = _whole("shown_valence") >= valence
    mood: ColumnElement[str] = case(
        (and_(is_energetic, is_pleasant), Mood.ENERGETIC.value),
        (is_energetic, Mood.TENSE.value),
        (is_pleasant, Mood.CALM.value),
        else_=Mood.SAD.value,
    )
    return mood.collate("C")


_POINT: Final = (
    clips.c.id,
    *(_whole(f"shown_{axis}") * AFFECT_STEPS // MILLION for axis in ("arousal", "valence")),
    case(_KIND_NUMBERS, value=predictions.c.kind, else_=0),
    func.smaller(_whole("novelty") * NOVELTY_STEPS // MILLION, 255),
    clips.c.directory_id,
    func.substr(clips.c.name, func.greatest(func.length(clips.c.name) - _LONGEST_SUFFIX, 1)),
    case((or_(*(column.is_not(None) for column in _RATED)), ANNOTATED), else_=0),
)


@contextmanager
def server_snapshot(url: str) -> Iterator[tuple[PlainConnection, SoundSearch]]:
    """Open a catalogue on a server within the block; raises as `open_on_server`."""
    engine = open_on_server(url, reads_only=True)
    try:
        with reading(engine) as connection, connection.begin():
            yield plain_connection(connection), PostgresqlFinder(connection)
    finally:
        engine.dispose()
