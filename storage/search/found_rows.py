"""Turns the rows that a search finds into sounds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from storage.schema.column_formats import MILLION, as_text
from storage.schema.records import Mood, Sound

if TYPE_CHECKING:
    import sqlite3

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

    def __init__(self, plain: sqlite3.Connection, thresholds: tuple[float, float]) -> None:
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
