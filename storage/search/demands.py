"""What a query demands of sounds and of files, as conditions in SQL."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from storage.schema.column_formats import MILLION
from storage.schema.records import Mood
from storage.schema.sound_filter import OPEN_RANGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from storage.schema.sound_filter import Range, SoundFilter

FARTHEST: Final = 1 << 62
"""No number of the catalogue is as large; SQLite's own limit is twice that."""


class Span(NamedTuple):
    """The lowest and the highest whole number of a column that are wanted."""

    low: int = -FARTHEST
    high: int = FARTHEST

    def within(self, other: Span) -> Span:
        """Return what is wanted by both."""
        return Span(max(self.low, other.low), min(self.high, other.high))


class Clause(NamedTuple):
    """A condition, and the values for its question marks."""

    sql: str
    values: tuple[Any, ...] = ()


class Thresholds(NamedTuple):
    """Where the moods begin and end, in millionths: calm is below the first, and so on."""

    calm_below: int
    energetic_from: int
    unpleasant_below: int
    pleasant_from: int


@dataclass(frozen=True)
class Demands:
    """The conditions of one query.

    Attributes:
        spans: of the columns of `predictions`.
        others: further conditions on a sound, alias `p`.
        files: conditions on a file, aliases `c` and `d`.
        are_files_chosen: whether a file must be in a folder, or have a text in its path.
    """

    spans: Mapping[str, Span]
    others: tuple[Clause, ...]
    files: tuple[Clause, ...]
    are_files_chosen: bool

    @property
    def sounds(self) -> tuple[Clause, ...]:
        """All conditions on a sound."""
        within = (between(f"p.{column}", span) for column, span in self.spans.items())
        return Clause("p.files > 0"), *within, *self.others

    @property
    def is_impossible(self) -> bool:
        """Whether a span is empty."""
        return any(span.low > span.high for span in self.spans.values())

    def within(self, spans: Mapping[str, Span]) -> Demands:
        """Return these conditions and further spans: one range of an index for each column."""
        both = {column: span.within(self.spans.get(column, span)) for column, span in spans.items()}
        return replace(self, spans={**self.spans, **both})

    def also(self, clause: Clause) -> Demands:
        """Return these conditions, and another on a sound."""
        return replace(self, others=(*self.others, clause))


def demands_of(wanted: SoundFilter, thresholds: Thresholds) -> Demands:
    """Return the conditions of a query."""
    spans = spans_of(wanted, thresholds)
    others = () if wanted.kind is None else (Clause("p.kind = ?", (wanted.kind,)),)
    files = list(_file_clauses(wanted))
    present = Clause("c.missing_since IS NULL")
    chosen = bool(wanted.path or wanted.under or wanted.text)
    return Demands(spans, others, (*files, present), chosen)


def between(column: str, span: Span) -> Clause:
    """Return the condition that a column lies in a span."""
    return Clause(f"{column} BETWEEN ? AND ?", tuple(span))


def all_of(clauses: Iterable[Clause]) -> Clause:
    """Return the condition that all hold."""
    clauses = list(clauses)
    values = tuple(value for clause in clauses for value in clause.values)
    return Clause(" AND ".join(clause.sql for clause in clauses), values)


def spans_of(wanted: SoundFilter, thresholds: Thresholds) -> dict[str, Span]:
    """Return the spans that a query sets, by column."""
    arousal, valence = _affect(wanted.arousal), _affect(wanted.valence)
    if wanted.mood in {Mood.CALM, Mood.SAD}:
        arousal = arousal.within(Span(high=thresholds.calm_below - 1))
    elif wanted.mood is not None:
        arousal = arousal.within(Span(low=thresholds.energetic_from))
    if wanted.mood in {Mood.SAD, Mood.TENSE}:
        valence = valence.within(Span(high=thresholds.unpleasant_below - 1))
    elif wanted.mood is not None:
        valence = valence.within(Span(low=thresholds.pleasant_from))
    widest = None if wanted.interval is None else (None, wanted.interval)
    spans = {
        "shown_arousal": arousal,
        "shown_valence": valence,
        "duration_ms": _span(wanted.duration_s, 1000),
        "novelty": _span(wanted.novelty, MILLION),
        "width": _span(widest or (None, None), MILLION),
    }
    return {column: span for column, span in spans.items() if span != Span()}


def _affect(values: tuple[float, float]) -> Span:
    return Span() if values == OPEN_RANGE else _span(values, MILLION)


def _span(values: Range, unit: int) -> Span:
    low, high = values
    return Span(
        -FARTHEST if low is None else _whole(low, unit),
        FARTHEST if high is None else _whole(high, unit),
    )


def _whole(value: float, unit: int) -> int:
    return round(max(-float(FARTHEST), min(float(FARTHEST), value * unit)))


def _file_clauses(wanted: SoundFilter) -> Iterator[Clause]:
    if wanted.path is not None:
        yield _is(wanted.path)
    if wanted.but is not None:
        clause = _is(wanted.but)
        yield Clause(f"NOT ({clause.sql})", clause.values)
    if wanted.under is not None:
        start = str(wanted.under).rstrip("/")
        # "0" is the character after "/".
        first, end = as_text(start + "/"), as_text(start + "0")
        yield Clause(f"d.path >= {TEXT} AND d.path < {TEXT}", (first, end))
    for text in wanted.text:
        yield _contains(text)


TEXT: Final = "CAST(? AS TEXT)"
"""Bytes are bound, since the driver takes no name that is not UTF-8."""


def as_text(text: str) -> bytes:
    """Return what to bind for `TEXT`."""
    return os.fsencode(text)


def _is(path: Path) -> Clause:
    folder, slash, name = str(path).rpartition("/")
    values = as_text(folder + slash), as_text(name)
    return Clause(f"d.path = {TEXT} AND c.name = {TEXT}", values)


def _contains(text: str) -> Clause:
    """Return the condition that a path contains a text; each folder is looked at only once."""
    like = f"LIKE {TEXT} ESCAPE '\\'"
    in_folder = f"c.directory_id IN (SELECT id FROM directories WHERE path {like})"  # noqa: S608
    folder, slash, name = _escaped(text).rpartition("/")
    anywhere = as_text(f"%{_escaped(text)}%")
    if not slash:
        return Clause(f"({in_folder} OR c.name {like})", (anywhere, anywhere))
    # The text may begin in the folder, and end in the name.
    across = as_text(f"{name}%"), as_text(f"%{folder}/")
    return Clause(f"({in_folder} OR c.name {like} AND {in_folder})", (anywhere, *across))


def _escaped(text: str) -> str:
    return "".join(f"\\{sign}" if sign in "\\%_" else sign for sign in text)
