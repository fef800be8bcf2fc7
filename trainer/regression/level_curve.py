"""How loud a sound is, and what that alone says of how it feels.

The curve is the mean rating by the average level of the 765 sounds of IADS-E that are not music
(Yang and others, Behavior Research Methods 50, 2018; its workbook gives level and ratings of each).
Louder sounds arouse more and please less. For music there is no such relation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.features.packed_vector import VALUES

if TYPE_CHECKING:
    from numpy.typing import NDArray

RMS_DESCRIPTOR: Final = 4179
"""Index of `pcm_RMSenergy_sma_rqmean` in a feature vector: the average level, linear."""

VECTOR_SIZE: Final = VALUES
"""Vectors of another size, as tests use them, have no level."""

KNOTS_DB: Final = (-35.0, -28.0, -22.0, -17.0, -12.0, -6.0)
CURVE: Final = (
    (-0.236, 0.051),
    (-0.090, -0.023),
    (0.068, -0.121),
    (0.232, -0.251),
    (0.348, -0.399),
    (0.378, -0.504),
)
"""Arousal and valence at each knot, in [-1, 1]: a penalised linear spline."""

USUAL_DB: Final = -18.6
"""Median level of these sounds. A sound of unknown level counts as one of this level."""

_RELIABLE_DB: Final = (-28.0, -8.0)
"""All but a few of these sounds lie between; beyond, the curve stays where it is."""

_SOFTEST: Final = 1e-5


def level_db(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the average level of each clip in dB of full scale, shape (clips,)."""
    if vectors.shape[1] != VECTOR_SIZE:
        return np.full(len(vectors), USUAL_DB)
    level: NDArray[np.float64] = 20 * np.log10(
        np.clip(vectors[:, RMS_DESCRIPTOR].astype(np.float64), _SOFTEST, 1.0)
    )
    return level


def level_shift(level: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how ratings differ from those at the usual level, shape (clips, 2)."""
    reliable = np.clip(level, *_RELIABLE_DB)
    columns = np.array(CURVE).T
    shifts = [
        np.interp(reliable, KNOTS_DB, each) - np.interp(USUAL_DB, KNOTS_DB, each)
        for each in columns
    ]
    return np.stack(shifts, axis=1)
