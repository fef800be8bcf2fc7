"""Families of descriptors: of ComParE with deltas and functionals, of harmony, of texture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Families = Mapping[str, NDArray[np.intp]]

_PATTERNS: Final[Mapping[str, str]] = {
    "energy and loudness": "audspec_lengthL1norm|audspecRasta_lengthL1norm|pcm_RMSenergy|pcm_zcr",
    "auditory bands (RASTA)": "audSpec_Rfilt",
    "cepstrum (MFCC)": "mfcc",
    "spectral shape": (
        "pcm_fftMag_spectral(RollOff|Centroid|Entropy|Variance|Skewness|Kurtosis|Slope)"
    ),
    "spectral flux": "pcm_fftMag_spectralFlux",
    "band energies": "pcm_fftMag_fband",
    "sharpness and harmonicity": "pcm_fftMag_(psySharpness|spectralHarmonicity)",
    "pitch and voicing": "F0final|voicingFinalUnclipped",
    "jitter, shimmer, HNR": "jitter|shimmer|logHNR",
    "keys, chords, intervals": "harmony_(key|scale|chord|interval|chroma)",
    "voices and roughness": "harmony_(tuning|pitch|partials|upper|lower|voices|roughness)",
    "onsets and pulse": "harmony_(onset|pulse)",
    "modulation of envelopes": "texture_",
}
"""What the names of a family's descriptors begin with."""


def families_of(names: Sequence[str]) -> dict[str, NDArray[np.intp]]:
    """Return the columns of each family, from the names of the functionals.

    The grouping is that of ComParE 2016 (Weninger et al., Frontiers in Psychology 4, 2013), whose
    spectral descriptors are divided further, since they are most of the set.
    """
    found = {
        family: np.flatnonzero([re.match(pattern, name) is not None for name in names])
        for family, pattern in _PATTERNS.items()
    }
    return {family: columns for family, columns in found.items() if len(columns)}


def columns_of(
    families: Families, count: int, *, without: str, only: str
) -> NDArray[np.intp] | None:
    """Return which of the columns are used, in ascending order; None if all are.

    `without` names a family that is left out, `only` the only one that is used; "" names none.
    """
    if only:
        return np.sort(families[only])
    if not without:
        return None
    return np.setdiff1d(np.arange(count), families[without])
