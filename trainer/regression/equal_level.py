"""Descriptors as they would be if every sound had the same level.

A file's level is arbitrary: loud and quiet copies of a piece must get the same place. A few of
ComParE's contours grow with the amplitude of a sound by a power that follows from their definition,
and with them those functionals that are measured in the contour's unit. Dividing by that power of
the level takes the level out of them without losing what else they say; all other descriptors stay.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.regression.level_curve import USUAL_DB, VECTOR_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_CONTOURS: Final[Mapping[str, float]] = {
    # The auditory spectrum is the power spectrum to the power of .33.
    "audspec_lengthL1norm_sma": 0.66,
    "pcm_RMSenergy_sma": 1.0,
    "pcm_fftMag_spectralFlux_sma": 1.0,
    "pcm_fftMag_fband250-650_sma": 2.0,
    "pcm_fftMag_fband1000-4000_sma": 2.0,
    "pcm_fftMag_spectralSlope_sma": 2.0,
    "pcm_fftMag_spectralHarmonicity_sma": 2.0,
}
"""The power of the amplitude that each contour grows by."""

_MEASURES: Final = frozenset(
    {
        "amean", "iqr1-2", "iqr1-3", "iqr2-3", "meanFallingSlope", "meanRisingSlope",
        "pctlrange0-1", "peakMeanAbs", "peakMeanMeanDist", "peakRangeAbs", "percentile1.0",
        "percentile99.0", "posamean", "quartile1", "quartile2", "quartile3", "range", "rqmean",
        "stddev", "stddevFallingSlope", "stddevRisingSlope",
    }
)  # fmt: skip
"""Functionals in the unit of the contour."""

_SQUARES: Final = frozenset({"lpgain"})
"""Functionals in its square."""

_LARGEST: Final = np.finfo(np.float32).max


@cache
def level_powers(descriptors: int) -> NDArray[np.float32]:
    """Return the power of the amplitude that each descriptor grows by, shape (descriptors,).

    Vectors of another size than ours have no level: 0 for all.
    """
    powers = np.zeros(descriptors, dtype=np.float32)
    if descriptors == VECTOR_SIZE:
        from trainer.features.extract import descriptor_names  # noqa: PLC0415 - loads openSMILE

        for place, name in enumerate(descriptor_names()):
            for contour, power in _CONTOURS.items():
                if name.startswith(contour):
                    functional = name.removeprefix(contour).removeprefix("_de").removeprefix("_")
                    powers[place] = power * _order(functional)
    powers.setflags(write=False)
    return powers


def at_usual_level(
    vectors: NDArray[np.float32], powers: NDArray[np.float32], level: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return vectors of shape (clips, descriptors) as if all clips had the usual level.

    Args:
        vectors: some or all descriptors.
        powers: of the amplitude, that each grows by, shape (descriptors,).
        level: of the clips in dB, shape (clips,).
    """
    grown = np.flatnonzero(powers)
    if not len(grown):
        return vectors
    louder = (level - USUAL_DB)[:, None]
    equal = vectors.copy()
    factors = 10.0 ** (-louder / 20 * powers[grown].astype(np.float64))
    equal[:, grown] = np.clip(vectors[:, grown] * factors, -_LARGEST, _LARGEST)
    return equal


def _order(functional: str) -> int:
    if functional in _SQUARES:
        return 2
    return 1 if functional in _MEASURES else 0
