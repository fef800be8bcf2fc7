"""Packs the values over the time of a sound into one short text, and shifts them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from storage.schema.records import CurvePoint

if TYPE_CHECKING:
    from collections.abc import Iterable

_STEPS: Final = 1000
"""Of a second and of the unit of both values: of each window, three whole numbers are kept."""


def pack_curve(points: Iterable[CurvePoint]) -> str:
    """Return a JSON array of the start in ms and both values in thousandths of each window."""
    numbers = [
        round(_STEPS * value)
        for point in sorted(points, key=lambda point: point.start_s)
        for value in (point.start_s, point.arousal, point.valence)
    ]
    return json.dumps(numbers, separators=(",", ":"))


def unpack_curve(text: str) -> list[CurvePoint]:
    """Return the windows of a packed curve, in order of time."""
    numbers = [number / _STEPS for number in json.loads(text)]
    return [CurvePoint(*numbers[at : at + 3]) for at in range(0, len(numbers), 3)]


def shift_curve(text: str, arousal: float, valence: float) -> str:
    """Return a packed curve whose values are moved, within [-1, 1]."""
    return pack_curve(
        CurvePoint(point.start_s, _moved(point.arousal, arousal), _moved(point.valence, valence))
        for point in unpack_curve(text)
    )


def _moved(value: float, by: float) -> float:
    return max(-1.0, min(1.0, value + by))
