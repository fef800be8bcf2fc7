"""A fitted kernel regression over all kinds of sound at once: predicts with NumPy alone.

One kernel ties every clip to every other (a linear model of coregionalisation; Bonilla, Chai and
Williams, Multi-task Gaussian process prediction, 2008):

    k(x, x') = s r(x, x') + (1 - s) sum_i p_i(x) p_i(x') r_i(x, x') + l q(x) q(x') g(level, level')

p are the probabilities of music, voice and everyday sound, q that of voice; r is rational quadratic
in the mean weighted squared difference of normal scores, with the weights of all kinds or of one,
and g a Gaussian of the difference in level. So kinds share what they have in common. Level counts
except for music: for voices it is learned from their ratings, and for them and everyday sounds the
curve of `level_curve` is added.
`trainer.regression.affect_regressor` fits it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from trainer.regression.level_curve import level_db, level_shift

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.regression.quantile_scale import QuantileScale

KINDS: Final = ("music", "voice", "sound")
"""The kinds of sound, in the order of every array of probabilities."""

DIMENSIONS: Final = ("arousal", "valence")

NEIGHBOURS: Final = 5
"""Novelty is the mean distance to so many nearest clips."""

_NEGLIGIBLE: Final = 0.02
"""A kind that is less probable costs its part of the kernel and changes little."""

_LEVEL_WIDTH_DB: Final = 8.0
_BY_LEVEL: Final = np.array([0.0, 1.0, 1.0])
"""Which kinds the curve of ratings by level holds for."""

_TAUGHT_LEVEL: Final = np.array([0.0, 1.0, 0.0])
"""Which kinds have rated clips at the levels that they were rated at: the norm of a class says
nothing of the levels of its clips."""


class KernelPrediction(NamedTuple):
    """Predictions of clips: affect, not clipped to [-1, 1], of shape (clips, targets).

    Probabilities of `KINDS` have shape (clips, 3), and novelty has shape (clips,).
    """

    affect: NDArray[np.float64]
    kinds: NDArray[np.float64]
    novelty: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelShape:
    """What sets the kernel; the names are those of `AffectRegressor`."""

    reach: float
    shared: float
    level_variance: float
    level_effect: tuple[float, float]


@dataclass(slots=True, kw_only=True)
class KindKernel:
    """The fitted state.

    Attributes:
        shape: of the kernel.
        scale: turns descriptors into normal scores.
        rows: of the table, whose clips the kernel is spanned by, shape (clips,).
        weights: of each descriptor, shape (1 + kinds, targets, descriptors), float32, with a mean
            of 1: those that all kinds share, then those of each kind.
        kind_weights: of the classifier of kinds, shape (descriptors, 3), float32.
        kind_offsets: shape (3,).
        kinds: probabilities of the clips, shape (clips, 3).
        level: of the clips, in dB, shape (clips,).
        centre: the mean rating, shape (targets,).
        duals: dual coefficients, shape (clips, targets).
        farthest: the 95th percentile of the clips' distances to their neighbours.
        scores: of the clips, shape (clips, descriptors), float32.
    """

    shape: KernelShape
    scale: QuantileScale
    rows: NDArray[np.intp]
    weights: NDArray[np.float32]
    kind_weights: NDArray[np.float32]
    kind_offsets: NDArray[np.float64]
    kinds: NDArray[np.float64]
    level: NDArray[np.float64]
    centre: NDArray[np.float64]
    duals: NDArray[np.float64]
    farthest: float
    scores: NDArray[np.float32] = field(repr=False)

    def detached(self) -> KindKernel:
        """Return this without the scores, which `attach` restores."""
        return replace(self, scores=np.empty((0, 0), dtype=np.float32))

    def attach(self, vectors: NDArray[np.float32]) -> None:
        """Restore the scores from the vectors of the table, shape (table's clips, descriptors)."""
        self.scores = self.scale.scores(vectors[self.rows])

    def predict(
        self, vectors: NDArray[np.float32], scores: NDArray[np.float32] | None = None
    ) -> KernelPrediction:
        """Predict from vectors of shape (clips, descriptors), float32, finite.

        `scores` are their normal scores, if already computed.
        """
        if scores is None:
            scores = self.scale.scores(vectors)
        kinds, level = self.kinds_of(scores), level_db(vectors)
        affect = self.shift(kinds, level) + self.centre
        nearness = np.zeros((len(vectors), len(self.rows)), dtype=np.float32)
        for target in range(len(self.centre)):
            kernel, distance = self.covariance(scores, target, kinds, level)
            nearness += distance / np.float32(len(self.centre))
            affect[:, target] += kernel @ self.duals[:, target]
        novelty = mean_nearest(nearness) / self.farthest
        return KernelPrediction(affect, kinds, novelty.astype(np.float64))

    def kinds_of(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities of `KINDS`, shape (clips, 3)."""
        return probabilities(scores, self.kind_weights, self.kind_offsets)

    def shift(self, kinds: NDArray[np.float64], level: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what level alone says of clips that are not music, shape (clips, targets)."""
        shifted = np.zeros((len(kinds), len(self.centre)))
        by_level = (kinds @ _BY_LEVEL)[:, None] * level_shift(level) * self.shape.level_effect
        shifted[:, : len(DIMENSIONS)] = by_level[:, : len(self.centre)]
        return shifted

    def covariance(
        self,
        scores: NDArray[np.float32],
        target: int,
        kinds: NDArray[np.float64],
        level: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Return kernel and shared distance to the fitted clips, each (clips, fitted clips)."""
        shape = self.shape
        distance = distances(scores, self.scores, self.weights[0, target])
        kernel = shape.shared / (1.0 + distance.astype(np.float64) / shape.reach)
        for kind in range(len(KINDS)):
            own, fitted = np.flatnonzero(kinds[:, kind]), np.flatnonzero(self.kinds[:, kind])
            weights = self.weights[1 + kind, target]
            apart = distances(scores[own], self.scores[fitted], weights).astype(np.float64)
            both = np.outer(kinds[own, kind], self.kinds[fitted, kind])
            kernel[np.ix_(own, fitted)] += (1 - shape.shared) * both / (1.0 + apart / shape.reach)
        if shape.level_variance:
            steps = (level[:, None] - self.level) / _LEVEL_WIDTH_DB
            by_level = (kinds * _TAUGHT_LEVEL) @ self.kinds.T
            kernel += shape.level_variance * by_level * np.exp(-0.5 * np.square(steps))
        return kernel, distance


def probabilities(
    scores: NDArray[np.float32], weights: NDArray[np.float32], offsets: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the softmax of linear margins, shape (clips, classes); what is near 0 is 0."""
    margins = (scores @ weights).astype(np.float64) + offsets
    odds = np.exp(margins - margins.max(axis=1, keepdims=True))
    shares = odds / odds.sum(axis=1, keepdims=True)
    shares[shares < _NEGLIGIBLE] = 0.0
    whole: NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
    return whole


def distances(
    first: NDArray[np.float32], second: NDArray[np.float32], weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return mean weighted squared differences, shape (clips of first, clips of second)."""
    squares = [np.asarray(np.square(each) @ weight, np.float32) for each in (first, second)]
    distance = np.asarray((first * weight) @ second.T, np.float32)
    distance *= np.float32(-2.0)
    distance += squares[0][:, None]
    distance += squares[1]
    np.maximum(distance, 0.0, out=distance)
    distance /= np.float32(first.shape[1])
    return distance


def mean_nearest(distance: NDArray[np.float32], *, skipped: int = 0) -> NDArray[np.float32]:
    """Return the mean distance to the nearest clips, shape (clips,), without the first ones."""
    last = min(NEIGHBOURS + skipped, distance.shape[1]) - 1
    nearest = np.sort(np.partition(distance, last, axis=1)[:, : last + 1], axis=1)[:, skipped:]
    if not nearest.shape[1]:
        return np.zeros(len(distance), dtype=np.float32)
    mean: NDArray[np.float32] = np.sqrt(nearest).mean(axis=1)
    return mean
