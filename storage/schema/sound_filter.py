"""The conditions of a query."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isnan
from typing import TYPE_CHECKING, Final

from storage.schema.records import Mood, Sound

if TYPE_CHECKING:
    from pathlib import Path

SORT_KEYS: Final = (*(column.name for column in fields(Sound)), "interval")
OPEN_RANGE: Final = (-1.0, 1.0)

Range = tuple[float | None, float | None]
"""Lowest and highest value; None where it is open."""


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
        novelty: lowest and highest novelty.
        duration_s: shortest and longest duration.
        interval: the widest interval allowed, of arousal and of valence.
        text: texts that must all be in the path; upper and lower case of ASCII are the same.
        near: a point (arousal, valence); the nearest come first.
        under: a folder.
        path: a single file.
        but: a single file that is left out.
        sort: one of `SORT_KEYS`, with `-` in front for descending order. Without it and without
            `near`, files come by folder, and in it by name.
        limit: the largest number of rows.
    """

    mood: Mood | None = None
    kind: str | None = None
    thresholds: tuple[float, float] = (0.0, 0.0)
    percentile: float | None = None
    arousal: tuple[float, float] = OPEN_RANGE
    valence: tuple[float, float] = OPEN_RANGE
    novelty: Range = (None, None)
    duration_s: Range = (None, None)
    interval: float | None = None
    text: tuple[str, ...] = ()
    near: tuple[float, float] | None = None
    under: Path | None = None
    path: Path | None = None
    but: Path | None = None
    sort: str | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError if a value is no number, or the point lies outside the plane."""
        ranges = (self.arousal, self.valence, self.novelty, self.duration_s, self.thresholds)
        numbers = [end for ends in ranges for end in ends] + [self.interval, self.percentile]
        if any(number is not None and isnan(number) for number in numbers):
            raise ValueError("a filter holds numbers only")
        if self.near is not None and not all(-1 <= value <= 1 for value in self.near):
            raise ValueError(f"{self.near}: the plane goes from -1 to 1")
        if self.sort is not None and self.sort.removeprefix("-") not in SORT_KEYS:
            raise ValueError(f"{self.sort}: not a key to sort by")
