"""Keys, chords and intervals of a sound, independent of its transposition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.features.harmony.partials import HOP_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# How often each degree occurs in pieces in major and in minor, from the tonic up in semitones:
# Albrecht and Shanahan, The use of large corpora to train a new type of key-finding algorithm,
# Music Perception 31 (2013).
_MAJOR: Final = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR: Final = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)

_CHORDS: Final[Mapping[str, tuple[int, ...]]] = {
    "major": (0, 4, 7),
    "minor": (0, 3, 7),
    "diminished": (0, 3, 6),
    "augmented": (0, 4, 8),
    "suspended": (0, 5, 7),
    "dominant_seventh": (0, 4, 7, 10),
    "major_seventh": (0, 4, 7, 11),
    "minor_seventh": (0, 3, 7, 10),
}
_TRIADS: Final = 4
_MAJOR_SCALE: Final = (0, 2, 4, 5, 7, 9, 11)
_HARMONIC_MINOR_SCALE: Final = (0, 2, 3, 5, 7, 8, 11)

_CHORD_FRAMES: Final = round(0.4 / HOP_S)
_PHRASE_FRAMES: Final = round(2.0 / HOP_S)
_SHARPNESS: Final = 10.0
_TINY: Final = 1e-9


def tonality(chroma: NDArray[np.float64]) -> dict[str, float]:
    """Describe keys, chords and intervals.

    Keys are found by correlation with the profiles of all 24 (Krumhansl, Cognitive Foundations of
    Musical Pitch, 1990), chords by correlation with their notes; intervals by how much sounds 1
    to 6 semitones apart.

    Args:
        chroma: shape (frames, 12), each frame summing to 1.

    Returns:
        Descriptors by name, all finite and none changed by transposition.
    """
    mean = chroma.mean(axis=0)
    return {
        **_keys(chroma, mean),
        **_chords(chroma),
        **_intervals("interval", chroma),
        **_intervals("interval_overall", mean[None]),
        **_spread(chroma, mean),
    }


def _keys(chroma: NDArray[np.float64], mean: NDArray[np.float64]) -> dict[str, float]:
    fits = _KEYS @ _standardise(mean)
    odds = np.exp(_SHARPNESS * fits)
    major, minor = fits[:12].max(), fits[12:].max()
    phrases = _standardise(_moving_mean(chroma, _PHRASE_FRAMES)[:: _PHRASE_FRAMES // 2]) @ _KEYS.T
    return {
        "key_major": major,
        "key_minor": minor,
        "key_mode": major - minor,
        "key_mode_odds": odds[:12].sum() / odds.sum(),
        # The relative and the parallel key always fit nearly as well: compare with the third best.
        "key_clarity": max(major, minor) - np.sort(fits)[-3],
        "key_mode_of_phrases": np.mean(phrases[:, :12].max(axis=1) - phrases[:, 12:].max(axis=1)),
        "key_of_phrases": phrases.max(axis=1).mean(),
        "scale_major": (_MAJOR_SCALES @ mean).max(),
        "scale_harmonic_minor": (_HARMONIC_MINOR_SCALES @ mean).max(),
    }


def _chords(chroma: NDArray[np.float64]) -> dict[str, float]:
    smooth = _standardise(_moving_mean(chroma, _CHORD_FRAMES))
    fits = np.stack([(smooth @ templates.T) for templates in _CHORD_TEMPLATES.values()], axis=1)
    of_kind = fits.max(axis=2)
    triad = of_kind[:, :_TRIADS].argmax(axis=1)
    root = fits[:, :2].reshape(len(fits), -1).argmax(axis=1)
    return {
        **{f"chord_{kind}": of_kind[:, k].mean() for k, kind in enumerate(_CHORDS)},
        **{
            f"chord_share_{kind}": np.mean(triad == k)
            for k, kind in enumerate(list(_CHORDS)[:_TRIADS])
        },
        "chord_changes": np.mean(root[1:] != root[:-1]) if len(root) > 1 else 0.0,
    }


def _intervals(name: str, chroma: NDArray[np.float64]) -> dict[str, float]:
    sizes = np.array([(chroma * np.roll(chroma, k, axis=1)).sum(axis=1).mean() for k in _SIZES])
    shares = sizes / (sizes.sum() + _TINY)
    return {f"{name}_{k}": shares[k - 1] for k in _SIZES}


def _spread(chroma: NDArray[np.float64], mean: NDArray[np.float64]) -> dict[str, float]:
    strongest = np.cumsum(np.sort(mean)[::-1])
    return {
        "chroma_entropy": _entropy(mean[None]),
        "chroma_entropy_of_frames": _entropy(chroma),
        "chroma_change": np.abs(np.diff(chroma, axis=0)).sum() / max(1, len(chroma) - 1),
        "chroma_deviation": chroma.std(axis=0).mean(),
        **{f"chroma_strongest_{count}": strongest[count - 1] for count in (1, 3, 5, 7)},
    }


def _entropy(chroma: NDArray[np.float64]) -> float:
    return float(-(chroma * np.log(chroma + _TINY)).sum(axis=1).mean())


def _moving_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Average over `width` frames around each, the ends repeated; over all if they are fewer."""
    if len(values) <= width:
        mean: NDArray[np.float64] = values.mean(axis=0, keepdims=True)
        return mean
    ends = (width // 2 + 1, width - width // 2 - 1)
    sums = np.cumsum(np.pad(values, (ends, (0, 0)), mode="edge"), axis=0)
    means: NDArray[np.float64] = (sums[width:] - sums[:-width]) / width
    return means


def _standardise(values: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = values - values.mean(axis=-1, keepdims=True)
    standard: NDArray[np.float64] = centred / (values.std(axis=-1, keepdims=True) + _TINY)
    return standard


def _notes(degrees: tuple[int, ...]) -> NDArray[np.float64]:
    notes = np.zeros(12)
    notes[list(degrees)] = 1.0
    return notes


def _rotations(profile: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.roll(profile, tonic) for tonic in range(12)])


def _templates(profile: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix (12, 12) that turns a standardised chroma into correlations."""
    templates: NDArray[np.float64] = _rotations(_standardise(profile)) / 12
    return templates


_SIZES: Final = range(1, 7)
_MAJOR_SCALES: Final = _rotations(_notes(_MAJOR_SCALE))
_HARMONIC_MINOR_SCALES: Final = _rotations(_notes(_HARMONIC_MINOR_SCALE))
_KEYS: Final = np.concatenate([_templates(np.array(_MAJOR)), _templates(np.array(_MINOR))])
_CHORD_TEMPLATES: Final = {kind: _templates(_notes(notes)) for kind, notes in _CHORDS.items()}
