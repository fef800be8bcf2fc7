"""Names and scales of affect in a file's tags.

`VALENCED` records where the values come from: `name=value` pairs joined by `; `, in this order:
`bundle` (the bundle that predicted), `version` (of this program), `at` (ISO 8601 UTC), and `keys`
(the other keys that we wrote, joined by commas, so that they can be removed without the catalogue).
Values hold no `;`.
"""

from __future__ import annotations

import math
import re
from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

PROVENANCE = "VALENCED"
MOOD = "MOOD"

Items = dict[str, list[str]]
"""Tag items by our container-independent key: all its values, in order."""

Changes = dict[str, list[str]]
"""New values by key; an empty list removes the key. Other keys stay."""


class Preset(StrEnum):
    """Names and scales by the program that reads them."""

    SONGKONG = "songkong"
    UNIT = "unit"
    ONETAGGER = "onetagger"


class _Scale(NamedTuple):
    arousal: str
    valence: str
    low: float
    high: float
    digits: int


_SCALES = {
    Preset.SONGKONG: _Scale("MOOD_AROUSAL", "MOOD_VALENCE", -100, 100, 0),
    Preset.UNIT: _Scale("AROUSAL", "VALENCE", 0, 1, 2),
    Preset.ONETAGGER: _Scale("1T_ENERGY", "1T_VALENCE", 0, 100, 0),
}

ALL_KEYS = frozenset({PROVENANCE, MOOD} | {key for scale in _SCALES.values() for key in scale[:2]})
"""Every key that any preset may write."""


def affect_items(arousal: float, valence: float, preset: Preset = Preset.SONGKONG) -> Items:
    """Return the tag items for arousal and valence in [-1, 1]; values outside are clipped.

    Raises:
        ValueError: a value is not finite.
    """
    scale = _SCALES[preset]
    return {scale.arousal: [_scaled(arousal, scale)], scale.valence: [_scaled(valence, scale)]}


def affect_in(
    items: Mapping[str, list[str]], preset: Preset = Preset.SONGKONG
) -> tuple[float | None, float | None]:
    """Return arousal and valence from tag items, in [-1, 1].

    None means that a value is absent, not single, not a number, or off the scale.
    """
    scale = _SCALES[preset]
    arousal, valence = (items.get(key, []) for key in scale[:2])
    return _affect(arousal, scale), _affect(valence, scale)


def affect_range(preset: Preset) -> tuple[float, float]:
    """Return the least and the largest value of a tag."""
    return _SCALES[preset].low, _SCALES[preset].high


def provenance_item(bundle: str, version: str, at: datetime) -> Items:
    """Return the item that names the bundle and this program's version, and the time `at`."""
    fields = {
        "bundle": bundle.replace(";", ","),
        "version": version.replace(";", ","),
        "at": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    return {PROVENANCE: [_join(fields)]}


def mood_item(word: str) -> Items:
    """Return the item for a mood word."""
    return {MOOD: [word]}


def provenance_fields(text: str) -> dict[str, str]:
    """Return the fields of a `VALENCED` value, without parts that are not `name=value`."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip(): value.strip() for name, mark, value in pairs if mark}


def owned_keys(items: Mapping[str, list[str]]) -> frozenset[str]:
    """Return the keys that are ours according to the file's own `VALENCED` value."""
    fields = map(provenance_fields, items.get(PROVENANCE, []))
    # Every release wrote this field; without it, the item is somebody else's.
    lists = [each["keys"] for each in fields if "keys" in each]
    named = {key for text in lists for key in text.split(",")}
    return frozenset(named & ALL_KEYS) | ({PROVENANCE} if lists else frozenset())


def with_owned_keys(wanted: Items) -> Items:
    """Return the items with all their keys listed in `VALENCED`, if that is among them."""
    if not wanted.get(PROVENANCE):
        return dict(wanted)
    fields = provenance_fields(wanted[PROVENANCE][0])
    fields["keys"] = ",".join(sorted(set(wanted) - {PROVENANCE}))
    return {**wanted, PROVENANCE: [_join(fields)]}


def same_but_for_time(now: Mapping[str, list[str]], wanted: Mapping[str, list[str]]) -> bool:
    """Tell whether a file already holds the wanted values, whenever they were written."""
    return all(_timeless(now.get(key, [])) == _timeless(values) for key, values in wanted.items())


def _scaled(value: float, scale: _Scale) -> str:
    if not math.isfinite(value):
        raise ValueError(f"affect must be finite, not {value}")
    share = (min(1.0, max(-1.0, value)) + 1) / 2
    # Adding 0.0 turns a negative zero into zero.
    scaled = round(scale.low + share * (scale.high - scale.low), scale.digits) + 0.0
    return f"{scaled:.{scale.digits}f}"


def _affect(texts: list[str], scale: _Scale) -> float | None:
    try:
        (value,) = map(float, texts)
    except ValueError:
        return None
    share = (value - scale.low) / (scale.high - scale.low)
    return 2 * share - 1 if 0 <= share <= 1 else None


def _join(fields: Mapping[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in fields.items())


def _timeless(values: Iterable[str]) -> list[str]:
    return [re.sub(r"; at=[^;]*", "", value) for value in values]
