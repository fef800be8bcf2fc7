"""What a search is, on any database, and how the rows that it finds become sounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from storage.schema.column_formats import MILLION, as_text
from storage.schema.records import Mood, Sound
from storage.schema.sound_filter import SoundFilter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from storage.schema.plain_connection import PlainConnection
    from storage.search.demands import Thresholds

    Row = tuple[Any, ...]

LOW: Final = "coalesce(max(p.rated_{0} - p.{0}_reach, -1000000), p.{0}_low)"
HIGH: Final = "coalesce(min(p.rated_{0} + p.{0}_reach, 1000000), p.{0}_high)"
TAG_STATE: Final = "c.tag_state || coalesce(': ' || c.tag_reason, '')"

COLUMNS: Final = ", ".join(
    [
        "d.path || c.name",
        *("p.shown_arousal", LOW.format("arousal"), HIGH.format("arousal")),
        *("p.shown_valence", LOW.format("valence"), HIGH.format("valence")),
        *("p.novelty", "p.duration_ms"),
        "CASE WHEN p.rated_arousal IS NULL OR p.rated_valence IS NULL THEN p.bundle END",
        *("p.analysed_at", TAG_STATE, "p.kind", "p.kind_probability", "c.id", "p.sound_id"),
    ]
)
"""What a row holds: path, six values, novelty, duration, and so on to the number of the file."""

AROUSAL, VALENCE, DURATION_MS, FILE_ID, SOUND_ID = 1, 4, 8, -2, -1
"""Where in a row the shown values stand, in millionths, its duration, and both its numbers."""


class RowReader:
    """Makes sounds of rows.

    Args:
        plain: the connection that the rows come from.
        thresholds: of the moods.
    """

    def __init__(self, plain: PlainConnection, thresholds: tuple[float, float]) -> None:
        self._bundles: dict[int | None, str] = dict(plain.execute("SELECT id, label FROM labels"))
        self._bundles[None] = "annotation"
        self._thresholds = thresholds

    def sound(self, row: tuple[Any, ...]) -> Sound:
        """Return the sound in a row of `COLUMNS`."""
        path, *affect = row[:7]
        novelty, duration_ms, bundle, analysed_at, tag_state, kind, probability = row[7:14]
        arousal, *arousal_ends, valence, valence_low, valence_high = (
            value / MILLION for value in affect
        )
        return Sound(
            path=Path(path),
            arousal=arousal,
            arousal_low=arousal_ends[0],
            arousal_high=arousal_ends[1],
            valence=valence,
            valence_low=valence_low,
            valence_high=valence_high,
            mood=Mood.of(arousal, valence, self._thresholds),
            novelty=novelty / MILLION,
            duration_s=duration_ms / 1000,
            bundle=self._bundles[bundle],
            analysed_at=as_text(datetime.fromtimestamp(analysed_at / 1000, UTC)),
            tag_state=tag_state,
            kind=kind,
            kind_probability=None if probability is None else probability / MILLION,
        )


class SoundSearch(ABC):
    """Finds sounds in one snapshot of a catalogue.

    Args:
        plain: a connection within a transaction.
    """

    def __init__(self, plain: PlainConnection) -> None:
        self._connection = plain

    @abstractmethod
    def rows(self, wanted: SoundFilter) -> Sequence[Row]:
        """Return the rows of `COLUMNS` that match, in the order of the filter."""

    @abstractmethod
    def rows_of_sounds(self, wanted: SoundFilter, numbers: Sequence[int]) -> Sequence[Row]:
        """Return the rows of some sounds that match, in order; the limit is left out."""

    @abstractmethod
    def rows_of_files(self, numbers: Sequence[int]) -> Sequence[Row]:
        """Return the rows of the files with some numbers, in their order; others are left out."""

    @abstractmethod
    def points(self, wanted: SoundFilter, limit: int) -> Iterator[list[Row]]:
        """Yield what a map shows of the sounds that match, in no order, many at once."""

    @abstractmethod
    def thresholds(self, wanted: SoundFilter) -> Thresholds:
        """Return the thresholds of a query; a percentile counts only with a mood."""

    def sounds(self, wanted: SoundFilter) -> list[Sound]:
        """Return the sounds that match, in the order of the filter."""
        return self.as_sounds(self.rows(wanted), wanted)

    def as_sounds(self, rows: Iterable[Row], wanted: SoundFilter) -> list[Sound]:
        """Return the sounds in rows, with their moods by the thresholds of a filter."""
        reader = RowReader(self._connection, wanted.thresholds)
        return [reader.sound(row) for row in rows]

    def among(self, wanted: SoundFilter, numbers: Sequence[int]) -> list[tuple[int, Sound]]:
        """Return those of some sounds that match, each with its number; the limit is left out."""
        rows = self.rows_of_sounds(wanted, numbers)
        return [
            (row[SOUND_ID], sound)
            for row, sound in zip(rows, self.as_sounds(rows, wanted), strict=True)
        ]

    def centre_of(self, mood: Mood) -> tuple[float, float]:
        """Return arousal and valence of the quartiles, in this library, that a mood stands for."""
        bounds = self.thresholds(SoundFilter(mood=mood, percentile=25.0))
        return bounds.calm_below / MILLION, bounds.pleasant_from / MILLION

    def is_empty(self) -> bool:
        """Tell whether no sound has a file."""
        first = "SELECT 1 FROM predictions WHERE files > 0 LIMIT 1"
        return self._connection.execute(first).fetchone() is None
