"""How ranges and points of affect are written on the command line."""

from __future__ import annotations

import math
from typing import Any

import click

from trainer.rating_scale import RatingScale, scale_of


class _Range(click.ParamType[tuple[float, float]]):
    """`LO:HI`, either side may be left out."""

    name = "range"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        low_text, colon, high_text = str(value).partition(":")
        low, high = _number(low_text or "-1"), _number(high_text or "1")
        if not colon or low is None or high is None or low > high:
            self.fail(f"{value!r}: LO:HI is accepted, such as -0.5:0.2 or 0.3:", param, ctx)
        return low, high


class _Pair(click.ParamType[tuple[float, float]]):
    """`A,V`: a point of the plane of affect."""

    name = "pair"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        numbers = [_number(text) for text in str(value).split(",")]
        if len(numbers) != 2 or None in numbers:  # noqa: PLR2004 - arousal and valence
            self.fail(f"{value!r}: A,V is accepted, both from -1 to 1", param, ctx)
        arousal, valence = numbers
        assert arousal is not None
        assert valence is not None
        return arousal, valence


class _ScaleType(click.ParamType[RatingScale]):
    """`LOW:HIGH`, the ends of a rating scale."""

    name = "scale"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> RatingScale:
        if isinstance(value, RatingScale):
            return value
        try:
            return scale_of(str(value))
        except ValueError:
            self.fail(f"{value!r}: LOW:HIGH is accepted, such as 1:9", param, ctx)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and -1 <= number <= 1 else None


RANGE = _Range()
PAIR = _Pair()
SCALE = _ScaleType()
