"""The conditions of a query."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from storage.schema.records import Mood, Sound

if TYPE_CHECKING:
    from pathlib import Path

SORT_KEYS = tuple(column.name for column in fields(Sound))
OPEN_RANGE = (-1.0, 1.0)


@dataclass(frozen=True)
class SoundFilter:
    """The conditions of a query, which must all hold, and its order.

    Attributes:
        mood: None for all.
        kind: of sound; None for all.
        thresholds: of the moods (arousal, valence), in [-1, 1].
        percentile: thresholds relative to this library instead: calm is then among the lowest
            `percentile` percent in arousal and the highest in valence.
        arousal: lowest and highest value.
        valence: lowest and highest value.
        near: a point (arousal, valence); the nearest come first.
        under: a folder.
        path: a single file.
        sort: a column of `sounds`, with `-` in front for descending order.
        limit: the largest number of rows.
    """

    mood: Mood | None = None
    kind: str | None = None
    thresholds: tuple[float, float] = (0.0, 0.0)
    percentile: float | None = None
    arousal: tuple[float, float] = OPEN_RANGE
    valence: tuple[float, float] = OPEN_RANGE
    near: tuple[float, float] | None = None
    under: Path | None = None
    path: Path | None = None
    sort: str | None = None
    limit: int | None = None
