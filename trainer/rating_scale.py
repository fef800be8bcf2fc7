"""Rating scales, and how a rating becomes affect in [-1, 1]."""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class RatingScale(NamedTuple):
    """The ends of a rating scale, which are mapped linearly to -1 and 1."""

    low: float
    high: float

    def affect(self, value: float) -> float:
        """Return a rating as affect, clipped to [-1, 1]."""
        if (self.low, self.high) != (-1, 1):  # the formula would round: what is exported is exact
            value = 2 * (value - self.low) / (self.high - self.low) - 1
        return min(max(value, -1.0), 1.0)

    def __str__(self) -> str:
        return f"{self.low:g}:{self.high:g}"


LARGEST_END: Final = 1e9
"""Far from where the arithmetic of floats would overflow."""

AFFECT_SCALE: Final = RatingScale(-1.0, 1.0)


_NUMBER: Final = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.ASCII | re.IGNORECASE)


def number_in(text: str) -> float:
    """Read a number as people write it; Python also takes `0_1` for 1, and digits of any script.

    Raises:
        ValueError: the text is not a number.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a number")
    return float(text)


def scale_of(text: str) -> RatingScale:
    """Read a scale written as `LOW:HIGH`, such as `1:9`.

    Raises:
        ValueError: the text is not a scale.
    """
    low, _, high = text.partition(":")
    scale = RatingScale(number_in(low), number_in(high))
    if not -LARGEST_END <= scale.low < scale.high <= LARGEST_END:
        raise ValueError(f"{text!r} is not a scale; expected LOW:HIGH, such as 1:9")
    return scale
