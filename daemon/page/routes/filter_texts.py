"""Reads conditions as people write them: ranges, points, and ranges with units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.rating_scale import number_in

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


def affect_range(text: str) -> tuple[float, float]:
    """Return the ends of `LO:HI` within [-1, 1], of which either may be left out.

    Raises:
        ValueError: the text is something else.
    """
    low_text, colon, high_text = text.partition(":")
    low, high = affect_number(low_text or "-1"), affect_number(high_text or "1")
    if not colon or low > high:
        raise ValueError("LO:HI is accepted, such as -0.5:0.2 or 0.3:")
    return low, high


def affect_number(text: str) -> float:
    """Return a number in [-1, 1]; raises ValueError."""
    number = number_in(text)
    if not -1 <= number <= 1:
        raise ValueError("a number from -1 to 1 is accepted")
    return number


def affect_point(text: str) -> tuple[float, float]:
    """Return arousal and valence of `A,V`; raises ValueError."""
    arousal, _, valence = text.partition(",")
    return affect_number(arousal), affect_number(valence)


def open_range(text: str, units: Mapping[str, float]) -> tuple[float | None, float | None]:
    """Return the ends of `LO:HI` from 0 on, None for one that is left out.

    Args:
        text: the numbers may have units, as in `90s:5m`.
        units: what each stands for.

    Raises:
        ValueError: the text is something else.
    """
    low_text, colon, high_text = text.partition(":")
    low, high = _with_unit(low_text, units), _with_unit(high_text, units)
    if not colon or (low is not None and high is not None and low > high):
        raise ValueError("LO:HI is accepted")
    return low, high


def _with_unit(text: str, units: Mapping[str, float]) -> float | None:
    if not text:
        return None
    unit = next((unit for unit in units if text.endswith(unit)), "")
    number = number_in(text.removesuffix(unit)) * units.get(unit, 1.0)
    if number < 0:
        raise ValueError("a number from 0 on is accepted")
    return number
