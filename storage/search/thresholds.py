"""Where the moods begin and end for a query: by the settings, or relative to the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.schema.column_formats import MILLION
from storage.schema.records import Mood
from storage.search.demands import Thresholds
from storage.search.orders import AXES, COUNTED_STEP, INDEXES

if TYPE_CHECKING:
    import sqlite3

    from storage.schema.sound_filter import SoundFilter


def thresholds_of(plain: sqlite3.Connection, wanted: SoundFilter) -> Thresholds:
    """Return the thresholds of a query; a percentile counts only with a mood."""
    arousal, valence = (round(MILLION * value) for value in wanted.thresholds)
    if wanted.percentile is not None and wanted.mood is not None:
        share = wanted.percentile / 100
        is_pleasant = wanted.mood in {Mood.CALM, Mood.ENERGETIC}
        is_energetic = wanted.mood in {Mood.ENERGETIC, Mood.TENSE}
        arousal = _at_share(plain, "shown_arousal", share, down=is_energetic)
        valence = _at_share(plain, "shown_valence", share, down=is_pleasant)
    return Thresholds(arousal, arousal, valence, valence)


def _at_share(plain: sqlite3.Connection, column: str, share: float, *, down: bool) -> int:
    """Return the value of a column that a share of the sounds lies below, or above."""
    order = "DESC" if down else "ASC"
    counts = plain.execute(
        f"SELECT step, sounds FROM shown_counts WHERE axis = ? ORDER BY step {order}",  # noqa: S608
        (AXES.index(column),),
    ).fetchall()
    rank = round(share * max(sum(sounds for _, sounds in counts) - 1, 0))
    for step, sounds in counts:
        if rank < sounds:
            low = step * COUNTED_STEP - MILLION
            (value,) = plain.execute(
                f"SELECT {column} FROM predictions INDEXED BY {INDEXES[column]}"  # noqa: S608
                f" WHERE files > 0 AND {column} BETWEEN ? AND ?"
                f" ORDER BY {column} {order} LIMIT 1 OFFSET ?",
                (low, low + COUNTED_STEP - 1, rank),
            ).fetchone()
            return int(value)
        rank -= sounds
    return 0
