"""Families of descriptors: those of ComParE, with their deltas and functionals, and of harmony."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Families = Mapping[str, NDArray[np.intp]]

_PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "energy and loudness": (
        "audspec_lengthL1norm",
        "audspecRasta_lengthL1norm",
        "pcm_RMSenergy",
        "pcm_zcr",
    ),
    "auditory bands (RASTA)": ("audSpec_Rfilt",),
    "cepstrum (MFCC)": ("mfcc",),
    "spectral shape": (
        "pcm_fftMag_spectralRollOff",
        "pcm_fftMag_spectralCentroid",
        "pcm_fftMag_spectralEntropy",
        "pcm_fftMag_spectralVariance",
        "pcm_fftMag_spectralSkewness",
        "pcm_fftMag_spectralKurtosis",
        "pcm_fftMag_spectralSlope",
    ),
    "spectral flux": ("pcm_fftMag_spectralFlux",),
    "band energies": ("pcm_fftMag_fband",),
    "sharpness and harmonicity": ("pcm_fftMag_psySharpness", "pcm_fftMag_spectralHarmonicity"),
    "pitch and voicing": ("F0final", "voicingFinalUnclipped"),
    "jitter, shimmer, HNR": ("jitter", "shimmer", "logHNR"),
    "keys, chords, intervals": (
        "harmony_key",
        "harmony_scale",
        "harmony_chord",
        "harmony_interval",
        "harmony_chroma",
    ),
    "voices and roughness": (
        "harmony_tuning",
        "harmony_pitch",
        "harmony_partials",
        "harmony_upper",
        "harmony_lower",
        "harmony_voices",
        "harmony_roughness",
    ),
    "onsets and pulse": ("harmony_onset", "harmony_pulse"),
}


def families_of(names: Sequence[str]) -> dict[str, NDArray[np.intp]]:
    """Return the columns of each family.

    The grouping is that of ComParE 2016 (Weninger et al., Frontiers in Psychology 4, 2013), whose
    spectral descriptors are divided further, since they are most of the set.

    Args:
        names: of the functionals, in the order of the columns.
    """
    found = {
        family: np.flatnonzero([name.startswith(prefixes) for name in names])
        for family, prefixes in _PREFIXES.items()
    }
    return {family: columns for family, columns in found.items() if len(columns)}


def columns_of(
    families: Families, count: int, *, without: str, only: str
) -> NDArray[np.intp] | None:
    """Return the columns that are used, in ascending order; None if all are.

    Args:
        families: the columns of each family.
        count: number of columns.
        without: the family that is left out, or an empty string.
        only: the only family that is used, or an empty string.
    """
    if only:
        return np.sort(families[only])
    if not without:
        return None
    return np.setdiff1d(np.arange(count), families[without])
