"""The few descriptors that stand for what is heard: loudness, sharpness, texture, pitch, onsets.

Few everyday sounds and voices are rated, too few to learn from thousands of descriptors what
matters in them. These have a part of the kernel to themselves. They were chosen by their meaning;
docs/starter.md says what they are worth.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.regression.level_curve import VECTOR_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CONTOURS: Final = (
    "audspec_lengthL1norm",
    "audspecRasta_lengthL1norm",
    "pcm_RMSenergy",
    "pcm_zcr",
    "pcm_fftMag_spectralFlux",
    "pcm_fftMag_spectralEntropy",
    "pcm_fftMag_psySharpness",
    "pcm_fftMag_spectralHarmonicity",
    "F0final",
    "voicingFinalUnclipped",
    "jitterLocal",
    "shimmerLocal",
    "logHNR",
)
"""Contours of openSMILE whose mean and standard deviation count."""

_OTHERS: Final = (
    "audspec_lengthL1norm_sma_meanRisingSlope",
    "audspec_lengthL1norm_sma_meanFallingSlope",
    "audspec_lengthL1norm_sma_upleveltime75",
    "harmony_roughness",
    "harmony_onsets",
    "harmony_onset_strength",
    "harmony_pulse",
)
"""Attack, decay and steadiness of loudness; roughness and rhythm. The texture counts, too."""


@cache
def heard_descriptors(descriptors: int) -> NDArray[np.intp]:
    """Return the indices of these descriptors, ascending; of vectors of another size, none."""
    if descriptors != VECTOR_SIZE:
        return np.empty(0, dtype=np.intp)
    from trainer.features.extract import descriptor_names  # noqa: PLC0415 - loads openSMILE
    from trainer.features.texture import texture_names  # noqa: PLC0415

    wanted = {f"{each}_sma_{kind}" for each in _CONTOURS for kind in ("amean", "stddev")}
    wanted.update(_OTHERS, texture_names())
    return np.flatnonzero(np.isin(descriptor_names(), sorted(wanted)))
