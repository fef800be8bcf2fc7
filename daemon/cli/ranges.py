"""Types of command line values: ranges and points of affect, and rating scales."""

from __future__ import annotations

from typing import Any

import click

from trainer.rating_scale import RatingScale, number_in, scale_of


class _Range(click.ParamType[tuple[float, float]]):
    """`LO:HI`, of which either side may be empty."""

    name = "range"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        low_text, colon, high_text = str(value).partition(":")
        low, high = _number(low_text or "-1"), _number(high_text or "1")
        if not colon or low is None or high is None or low > high:
            self.fail(f"{value!r}: LO:HI is accepted, such as -0.5:0.2 or 0.3:", param, ctx)
        return low, high


class _Pair(click.ParamType[tuple[float, float]]):
    """`A,V`: arousal and valence."""

    name = "pair"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        arousal_text, _, valence_text = str(value).partition(",")
        arousal, valence = _number(arousal_text), _number(valence_text)
        if arousal is None or valence is None:
            self.fail(f"{value!r}: A,V is accepted, both from -1 to 1", param, ctx)
        return arousal, valence


class _Number(click.ParamType[float]):
    """A number as people write it."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            return number_in(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a number", param, ctx)


class _ScaleType(click.ParamType[RatingScale]):
    """`LOW:HIGH`, the ends of a rating scale."""

    name = "scale"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> RatingScale:
        try:
            return scale_of(str(value))
        except ValueError:
            self.fail(f"{value!r}: LOW:HIGH is accepted, such as 1:9", param, ctx)


def _number(text: str) -> float | None:
    try:
        number = number_in(text)
    except ValueError:
        return None
    return number if -1 <= number <= 1 else None


RANGE = _Range()
PAIR = _Pair()
NUMBER = _Number()
SCALE = _ScaleType()
