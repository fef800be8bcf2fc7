"""Types of command line values: ranges and points of affect, and rating scales."""

from __future__ import annotations

from math import inf, isnan
from typing import TYPE_CHECKING, Any

import click

from storage.schema.records import Mood
from trainer.rating_scale import RatingScale, number_in, scale_of

if TYPE_CHECKING:
    from collections.abc import Mapping


_RANGE = "from -1 to 1, the lower end first"


class _Range(click.ParamType[tuple[float, float]]):
    """`LO:HI`, of which either side may be empty."""

    name = "range"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        low_text, colon, high_text = str(value).partition(":")
        low, high = _number(low_text or "-1"), _number(high_text or "1")
        if not colon or low is None or high is None or low > high:
            self.fail(
                f"{value!r}: LO:HI is accepted, such as -0.5:0.2 or 0.3:, {_RANGE}", param, ctx
            )
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


class _End(click.ParamType[tuple[float, float] | Mood]):
    """`A,V`, or a mood."""

    name = "end"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float] | Mood:
        if str(value) in list(Mood):
            return Mood(str(value))
        return PAIR.convert(value, param, ctx)


class _Length(click.ParamType[float]):
    """A positive number of seconds, which may have a unit, such as `45m`."""

    name = "length"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            low_s, _ = DURATION.convert(f"{value}:", None, None)
        except click.BadParameter:
            low_s = None
        if not low_s:
            self.fail(f"{value!r}: a length such as 45m, 2h or 90s is accepted", param, ctx)
        return low_s


class _Bounded(click.FloatRange):
    """A number between two bounds; click's own type takes "nan" for one."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number: float = super().convert(value, param, ctx)
        if isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


class _OpenRange(click.ParamType[tuple[float | None, float | None]]):
    """`LO:HI` from 0 on, of which either side may be empty; with units, such as `90s:5m`."""

    name = "open range"

    def __init__(self, units: Mapping[str, float], example: str) -> None:
        self._units, self._example = units, example

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float | None, float | None]:
        low_text, colon, high_text = str(value).partition(":")
        try:
            low, high = self._number(low_text), self._number(high_text)
        except ValueError:
            low, high, colon = None, None, ""
        if not colon or (low is not None and high is not None and low > high):
            why = f"LO:HI is accepted, such as {self._example}, the lower end first"
            self.fail(f"{value!r}: {why}", param, ctx)
        return low, high

    def _number(self, text: str) -> float | None:
        """Raise ValueError unless a text is empty, or a number from 0 that may have a unit."""
        if not text:
            return None
        bare = text.rstrip("".join(self._units))
        unit = text[len(bare) :]
        number = number_in(bare) * (self._units[unit] if unit in self._units else _refused(unit))
        return number if 0 <= number < inf else _refused(text)


def _refused(text: str) -> float:
    if text:
        raise ValueError(text)
    return 1.0


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
END = _End()
LENGTH = _Length()
DURATION = _OpenRange({"s": 1, "m": 60, "h": 3600}, "90s:5m or 10:")
NOVELTY = _OpenRange({}, "1: or 0:0.8")
WIDTH = _Bounded(0, 2)
PERCENT = _Bounded(0, 50, min_open=True)
PAIR = _Pair()
NUMBER = _Number()
SCALE = _ScaleType()
