"""All descriptors of harmony and rhythm, for the windows of a clip."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.features.harmony.partials import partials_of
from trainer.features.harmony.rhythm import rhythm
from trainer.features.harmony.tonality import tonality
from trainer.features.harmony.voices import voices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.arrays import FloatArray

HARMONY: Final = 66
"""How many descriptors there are."""


def describe_harmony(windows: Sequence[FloatArray], rate_hz: int) -> FloatArray:
    """Describe harmony and rhythm of each window.

    No descriptor changes with the level of the sound, and only onsets use what lies above 4 kHz.

    Args:
        windows: mono sound in [-1, 1], each at least one sample.
        rate_hz: sampling rate of the sound.

    Returns:
        Shape (windows, 66), float32, finite, in the order of `harmony_names`. Where a window has no
        partials, the mean of the others stands in; 0 where none has any.
    """
    rows = np.array([list(_describe(window, rate_hz).values()) for window in windows])
    missing = np.isnan(rows)
    count = np.maximum((~missing).sum(axis=0), 1)
    means = np.where(missing, 0.0, rows).sum(axis=0) / count
    return np.where(missing, means, rows).astype(np.float32)


@cache
def harmony_names() -> tuple[str, ...]:
    """Return the names of the descriptors, in the order of every vector."""
    return tuple(f"harmony_{name}" for name in _describe(_example(), 8000))


def _describe(sound: FloatArray, rate_hz: int) -> dict[str, float]:
    partials = partials_of(sound, rate_hz)
    if partials is None:
        return {**dict.fromkeys(_tonal_names(), np.nan), **rhythm(sound, rate_hz)}
    return {**tonality(partials.chroma), **voices(partials), **rhythm(sound, rate_hz)}


@cache
def _tonal_names() -> tuple[str, ...]:
    partials = partials_of(_example(), 8000)
    assert partials is not None
    return (*tonality(partials.chroma), *voices(partials))


def _example() -> FloatArray:
    return np.sin(np.arange(8000, dtype=np.float32))
