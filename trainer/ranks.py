"""Descriptors as normal scores: where a value stands among the values of the fitted clips.

ComParE's functionals span twenty orders of magnitude with heavy tails. Ranks keep their order and
nothing else, so one wild value cannot carry a prediction away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEVELS: Final = 51
_FARTHEST: Final = 3.0


class RankScale:
    """The quantiles of each descriptor over the clips it was fitted on.

    The rank-based inverse normal transform (Bartlett, Biometrics 3, 1947), interpolated between
    evenly spaced quantiles and cut at three standard deviations.

    Attributes:
        quantiles: shape (51, descriptors), float32, ascending.
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        levels = np.linspace(0.0, 1.0, _LEVELS)
        self.quantiles: NDArray[np.float32] = np.quantile(vectors, levels, axis=0).astype(
            np.float32
        )

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return normal scores in [-3, 3].

        Args:
            vectors: shape (clips, descriptors), float32, finite.

        Returns:
            The same shape; 0 is the median of the fitted clips.
        """
        places = np.empty(vectors.shape, dtype=np.float64)
        for row, vector in enumerate(vectors):
            places[row] = self._places(vector)
        clipped = np.clip(ndtri(places), -_FARTHEST, _FARTHEST)
        scores: NDArray[np.float32] = clipped.astype(np.float32)
        return scores

    def _places(self, vector: NDArray[np.float32]) -> NDArray[np.float64]:
        """Place each value in [0, 1]; a value that equals several quantiles stands amid them."""
        below = np.add.reduce(self.quantiles < vector, axis=0, dtype=np.uint8).astype(np.intp)
        upto = np.add.reduce(self.quantiles <= vector, axis=0, dtype=np.uint8).astype(np.intp)
        columns = np.arange(vector.size)
        left = self.quantiles[np.maximum(below - 1, 0), columns].astype(np.float64)
        right = self.quantiles[np.minimum(below, _LEVELS - 1), columns].astype(np.float64)
        gap = np.where(right > left, right - left, 1.0)
        between = below - 1 + (vector - left) / gap
        place = np.where(upto > below, (below + upto - 1) / 2, between) / (_LEVELS - 1)
        outside_low, outside_high = upto == 0, below == _LEVELS
        inside: NDArray[np.float64] = np.where(outside_low, 0.0, np.where(outside_high, 1.0, place))
        return inside
