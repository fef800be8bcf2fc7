"""Register, outer voices and roughness of a sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.features.harmony.partials import Partials

_STRONG: Final = 0.4
"""A note is a voice of its own if it has at least this share of the strongest."""

_WIDEST_STEP: Final = 12
_EVERY_FRAMES: Final = 3
_MOST_PARTIALS: Final = 14


def voices(partials: Partials) -> dict[str, float]:
    """Describe the register of a sound, how its outer voices move, and how rough it is.

    Returns:
        Descriptors by name, all finite; pitches in semitones.
    """
    return {**_register(partials), **_outer_voices(partials.scale), **_roughness(partials)}


def _register(partials: Partials) -> dict[str, float]:
    pitch, amplitude = partials.pitch, partials.amplitude
    mean = np.average(pitch, weights=amplitude)
    return {
        "tuning": partials.tuning,
        "pitch": mean,
        "pitch_deviation": np.sqrt(np.average((pitch - mean) ** 2, weights=amplitude)),
        "pitch_by_roots": np.average(pitch, weights=np.sqrt(amplitude)),
        "partials": (amplitude > 0).sum(axis=1).mean(),
    }


def _outer_voices(scale: NDArray[np.float64]) -> dict[str, float]:
    strong = scale > _STRONG * scale.max(axis=1, keepdims=True)
    upper = scale.shape[1] - 1 - strong[:, ::-1].argmax(axis=1)
    lower = strong.argmax(axis=1)
    steps = np.abs(np.diff(upper)) if len(upper) > 1 else np.zeros(1)
    return {
        "upper_voice": upper.mean(),
        "upper_voice_deviation": upper.std(),
        "upper_voice_steps": np.minimum(steps, _WIDEST_STEP).mean(),
        "upper_voice_rests": np.mean(steps == 0),
        "lower_voice": lower.mean(),
        "lower_voice_deviation": lower.std(),
        "voices": strong.sum(axis=1).mean(),
        "voices_span": (upper - lower).mean(),
    }


def _roughness(partials: Partials) -> dict[str, float]:
    """Sum the beating of all pairs of partials.

    The curve is Sethares', Local consonance and the relationship between timbre and scale, JASA 94
    (1993), after Plomp and Levelt; a pair is weighted by the weaker of the two.
    """
    amplitude, pitch = partials.amplitude[::_EVERY_FRAMES], partials.pitch[::_EVERY_FRAMES]
    count = min(_MOST_PARTIALS, amplitude.shape[1])
    strongest = np.argpartition(amplitude, -count, axis=1)[:, -count:]
    amplitude = np.take_along_axis(amplitude, strongest, axis=1)
    hertz = 440.0 * 2.0 ** ((np.take_along_axis(pitch, strongest, axis=1) - 69.0) / 12.0)
    apart = np.abs(hertz[:, :, None] - hertz[:, None])
    width = 0.24 / (0.021 * np.minimum(hertz[:, :, None], hertz[:, None]) + 19.0)
    beating = np.exp(-3.5 * width * apart) - np.exp(-5.75 * width * apart)
    weaker = np.minimum(amplitude[:, :, None], amplitude[:, None])
    roughness = (weaker * beating).sum(axis=(1, 2)) / amplitude.sum(axis=1)
    return {"roughness": roughness.mean(), "roughness_deviation": roughness.std()}
