"""What a query demands of sounds and of files, as conditions in SQL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from storage.schema.column_formats import MILLION
from storage.schema.records import Mood
from storage.schema.sound_filter import OPEN_RANGE
from storage.search.text_search import LIKE, TEXT, as_text, is_plain, lowered, pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from storage.schema.sound_filter import Range, SoundFilter

_KIND_BITS: Final = {"music": 1, "voice": 2, "sound": 4}
_OTHER_KIND: Final = 8
_ALL_KINDS: Final = 15
"""As the column `kinds` of folders has them; migration 12 says how it is filled."""

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
        texts: that a path must contain, which is among the conditions on a file.
        kinds: bits of the kinds of sound that may match; all are without that condition.
    """

    spans: Mapping[str, Span]
    others: tuple[Clause, ...]
    files: tuple[Clause, ...]
    are_files_chosen: bool
    texts: tuple[str, ...] = ()
    kinds: int = _ALL_KINDS

    @property
    def sounds(self) -> tuple[Clause, ...]:
        """All conditions on a sound."""
        within = (between(f"p.{column}", span) for column, span in self.spans.items())
        return Clause("p.files > 0"), *within, *self.others

    @property
    def folders(self) -> tuple[Clause, ...]:
        """Conditions on a folder, alias `d`, without which nothing in it matches."""
        return (Clause("d.kinds & ?", (self.kinds,)),) if self.has_kind else ()

    @property
    def has_kind(self) -> bool:
        """Whether one kind of sound is wanted."""
        return self.kinds != _ALL_KINDS

    @property
    def is_impossible(self) -> bool:
        """Whether a span is empty."""
        return any(span.low > span.high for span in self.spans.values())

    def within(self, spans: Mapping[str, Span]) -> Demands:
        """Return these conditions and further spans: one range of an index for each column."""
        both = {column: span.within(self.spans.get(column, span)) for column, span in spans.items()}
        return replace(self, spans={**self.spans, **both})

    def of_kind(self, kind: str | None) -> Demands:
        """Return these conditions, and that of a kind, or of none."""
        bit = _KIND_BITS.get(kind or "", _OTHER_KIND)
        return replace(self.also(Clause("p.kind IS ?", (kind,))), kinds=bit)

    def also(self, clause: Clause) -> Demands:
        """Return these conditions, and another on a sound."""
        return replace(self, others=(*self.others, clause))


def demands_of(wanted: SoundFilter, thresholds: Thresholds) -> Demands:
    """Return the conditions of a query."""
    spans = spans_of(wanted, thresholds)
    files = *_file_clauses(wanted), Clause("c.missing_since IS NULL")
    chosen = bool(wanted.path or wanted.under or wanted.text)
    demands = Demands(spans, (), files, chosen, wanted.text)
    return demands if wanted.kind is None else demands.of_kind(wanted.kind)


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
    if wanted.mood is not None:
        quadrant = spans_of_mood(wanted.mood, thresholds)
        arousal = arousal.within(quadrant["shown_arousal"])
        valence = valence.within(quadrant["shown_valence"])
    widest = None if wanted.interval is None else (None, wanted.interval)
    spans = {
        "shown_arousal": arousal,
        "shown_valence": valence,
        "duration_ms": _span(wanted.duration_s, 1000),
        "novelty": _span(wanted.novelty, MILLION),
        "width": _span(widest or (None, None), MILLION),
    }
    return {column: span for column, span in spans.items() if span != Span()}


def spans_of_mood(mood: Mood, thresholds: Thresholds) -> dict[str, Span]:
    """Return the spans of arousal and valence that a mood stands for."""
    if mood in {Mood.CALM, Mood.SAD}:
        arousal = Span(high=thresholds.calm_below - 1)
    else:
        arousal = Span(low=thresholds.energetic_from)
    if mood in {Mood.SAD, Mood.TENSE}:
        valence = Span(high=thresholds.unpleasant_below - 1)
    else:
        valence = Span(low=thresholds.pleasant_from)
    return {"shown_arousal": arousal, "shown_valence": valence}


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


def _is(path: Path) -> Clause:
    folder, slash, name = str(path).rpartition("/")
    values = as_text(folder + slash), as_text(name)
    return Clause(f"d.path = {TEXT} AND c.name = {TEXT}", values)


def _contains(text: str) -> Clause:
    """Return the condition that a path contains a text."""
    if not is_plain(text):
        return Clause(f"instr({lowered('d.path || c.name')}, ?)", (as_text(text).lower(),))
    folder, slash, name = pattern(text).rpartition("/")
    anywhere = as_text(f"%{pattern(text)}%")
    if not slash:
        return Clause(f"(d.path {LIKE} OR c.name {LIKE})", (anywhere, anywhere))
    # The text may begin in the folder, and end in the name.
    across = as_text(f"{name}%"), as_text(f"%{folder}/")
    return Clause(f"(d.path {LIKE} OR c.name {LIKE} AND d.path {LIKE})", (anywhere, *across))
