"""Where the moods begin and end for a query: by the settings, or relative to the library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.schema.column_formats import MILLION
from storage.schema.records import Mood
from storage.search.demands import Thresholds
from storage.search.orders import INDEXES

if TYPE_CHECKING:
    import sqlite3

    from storage.schema.sound_filter import SoundFilter


def thresholds_of(plain: sqlite3.Connection, wanted: SoundFilter) -> Thresholds:
    """Return the thresholds of a query; a percentile counts only with a mood."""
    arousal, valence = (round(MILLION * value) for value in wanted.thresholds)
    if wanted.percentile is not None and wanted.mood is not None:
        (total,) = plain.execute("SELECT sounds FROM shown_total").fetchone()
        rank = round(wanted.percentile / 100 * max(total - 1, 0))
        is_pleasant = wanted.mood in {Mood.CALM, Mood.ENERGETIC}
        is_energetic = wanted.mood in {Mood.ENERGETIC, Mood.TENSE}
        arousal = _at_rank(plain, "shown_arousal", rank, down=is_energetic)
        valence = _at_rank(plain, "shown_valence", rank, down=is_pleasant)
    return Thresholds(arousal, arousal, valence, valence)


def _at_rank(plain: sqlite3.Connection, column: str, rank: int, *, down: bool) -> int:
    """Return the value of a column at a rank, from the lowest or from the highest."""
    order = "DESC" if down else "ASC"
    row = plain.execute(
        f"SELECT {column} FROM predictions INDEXED BY {INDEXES[column]}"  # noqa: S608
        f" WHERE files > 0 ORDER BY {column} {order} LIMIT 1 OFFSET ?",
        (rank,),
    ).fetchone()
    return 0 if row is None else int(row[0])
