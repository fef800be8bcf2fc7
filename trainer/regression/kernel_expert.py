"""One expert of the joint regression: kernel ridge regression on the clips of one domain."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trainer.regression.quantile_scale import QuantileScale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

DIMENSIONS: Final = ("arousal", "valence")

_NEIGHBOURS: Final = 5
_NOVEL_AT: Final = 0.95
_FEWEST_FOR_SCALE: Final = 30
"""Fewer clips do not determine the distribution of a descriptor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertSettings:
    """Settings of one expert.

    Attributes:
        reach: width of the kernel: the mean squared difference of weighted scores at which it is
            1/2.
        noise: variance of a rating of weight 1, relative to a prior variance of 1.
        harmony: share of harmony and rhythm in the weights of all descriptors, in [0, 1].
        relevance: whether descriptors are weighted by steadiness and correlation with the ratings;
            otherwise all weigh the same.
        anchored: whether the quantile scale is fitted on the clips with `sets_scale` only;
            otherwise on all.
    """

    reach: float
    noise: float
    harmony: float
    relevance: bool
    anchored: bool

    def __setstate__(self, state: Sequence[Any]) -> None:
        """Unpickle, also what a release without `anchored` wrote."""
        for field, value in zip(fields(self), (*state, False), strict=False):
            object.__setattr__(self, field.name, value)


class KernelExpert:
    """Kernel ridge regression of both dimensions on rank-transformed descriptors.

    The kernel is the rational quadratic, 1 / (1 + distance / reach), a mixture of Gaussians of all
    widths. Each descriptor has a weight for each dimension: its squared steadiness times its
    squared correlation with the ratings, taken within each corpus so that differences between the
    corpora do not count. The fit equals the mean of a Gaussian process whose noise is inverse to a
    rating's weight (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapters
    2 and 4).

    It is fitted on some rows of a table, to ratings of shape (clips, 2) for all its rows. The
    scores of the fitted clips are not pickled; `attach` computes them again from the table.
    """

    def __init__(
        self,
        table: TrainingTable,
        ratings: NDArray[np.float64],
        rows: NDArray[np.intp],
        settings: ExpertSettings,
    ) -> None:
        from scipy.linalg import cho_factor, cho_solve  # noqa: PLC0415 - workers do not fit

        self.settings = settings
        self.rows = rows
        anchors = rows[table.sets_scale[rows]] if settings.anchored else rows
        enough = len(anchors) >= _FEWEST_FOR_SCALE
        self.scale = QuantileScale(table.vectors[anchors if enough else rows])
        self._scores = self.scale.scores(table.vectors[rows])
        ratings, weight = ratings[rows], table.weight[rows]
        self.weights = self._descriptor_weights(table, ratings)
        self._squares = self._squared(self._scores)
        self.centre = np.average(ratings, axis=0, weights=weight)
        self.duals = np.empty((len(rows), len(DIMENSIONS)))
        distances = self._distances(self._scores)
        for dim, own in enumerate(distances):
            kernel = self._kernel(own)
            kernel[np.diag_indices_from(kernel)] += settings.noise / weight
            self.duals[:, dim] = cho_solve(cho_factor(kernel), ratings[:, dim] - self.centre[dim])
        # Column 0 is the distance of each clip to itself.
        nearest = np.sort(np.mean(distances, axis=0), axis=1)[:, 1 : _NEIGHBOURS + 1]
        self.farthest = float(np.quantile(np.sqrt(nearest).mean(axis=1), _NOVEL_AT))

    def attach(self, table: TrainingTable) -> None:
        """Restore what is not pickled from the table that was fitted on."""
        self._scores = self.scale.scores(table.vectors[self.rows])
        self._squares = self._squared(self._scores)

    def predict(
        self, scores: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict both dimensions and novelty.

        Args:
            scores: shape (clips, descriptors), normal scores on this expert's scale.

        Returns:
            Affect of shape (clips, 2), and novelty of shape (clips,): the mean distance to the five
            nearest fitted clips, relative to the 95th percentile among the fitted clips.
        """
        distances = self._distances(scores)
        affect = np.stack(
            [
                self.centre[dim] + self._kernel(own) @ self.duals[:, dim]
                for dim, own in enumerate(distances)
            ],
            axis=1,
        )
        mean = np.mean(distances, axis=0)
        count = min(_NEIGHBOURS, mean.shape[1] - 1)
        nearest = np.partition(mean, count, axis=1)[:, :count]
        novelty = np.sqrt(nearest).mean(axis=1) / self.farthest
        return affect, novelty.astype(np.float64)

    def _distances(self, scores: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return, for each dimension, the mean weighted squared difference to each fitted clip."""
        squares = self._squared(scores)
        distances = [self._distance(scores, squares[:, 0], 0)]
        for dim in range(1, len(DIMENSIONS)):
            same = np.array_equal(self.weights[dim], self.weights[0])
            distances.append(distances[0] if same else self._distance(scores, squares[:, dim], dim))
        return distances

    def _distance(
        self, scores: NDArray[np.float32], squares: NDArray[np.float32], dim: int
    ) -> NDArray[np.float32]:
        distance: NDArray[np.float32] = (scores * self.weights[dim]) @ self._scores.T
        distance *= -2.0
        distance += squares[:, None]
        distance += self._squares[:, dim]
        np.maximum(distance, 0.0, out=distance)
        distance /= np.float32(scores.shape[1])
        return distance

    def _squared(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the weighted sum of squares of each clip, shape (clips, dimensions)."""
        squares: NDArray[np.float32] = np.square(scores) @ self.weights.T
        return squares

    def _kernel(self, distance: NDArray[np.float32]) -> NDArray[np.float64]:
        return 1.0 / (1.0 + distance.astype(np.float64) / self.settings.reach)

    def _descriptor_weights(
        self, table: TrainingTable, ratings: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        weights = np.ones((len(DIMENSIONS), table.vectors.shape[1]))
        if self.settings.relevance:
            correlations = _correlations(self._scores, ratings, table.corpus[self.rows])
            # 1/n is the expected square of a chance correlation; it keeps every descriptor.
            weights = np.square(table.steadiness) * (np.square(correlations) + 1.0 / len(ratings))
        return _normalised(weights, table.is_harmony, self.settings.harmony).astype(np.float32)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


def _normalised(
    weights: NDArray[np.float64], is_harmony: NDArray[np.bool_], harmony: float
) -> NDArray[np.float64]:
    """Scale weights to a mean of 1, with a fixed share for harmony and rhythm.

    Otherwise these few dozen descriptors would have no influence among thousands of others.
    """
    parts = [(~is_harmony, 1.0 - harmony), (is_harmony, harmony)]
    present = [(columns, share) for columns, share in parts if columns.any()]
    present_share = sum(share for _, share in present)
    scaled = np.empty_like(weights)
    for columns, share in present:
        total = weights[:, columns].sum(axis=1, keepdims=True)
        scaled[:, columns] = weights[:, columns] * (
            weights.shape[1] * share / (present_share * total)
        )
    return scaled


def _correlations(
    scores: NDArray[np.float32], ratings: NDArray[np.float64], corpus: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Return each descriptor's mean correlation within a corpus, shape (dimensions, descriptors).

    Corpora are weighted by their number of clips.
    """
    total = np.zeros((ratings.shape[1], scores.shape[1]))
    for name in np.unique(corpus):
        own = corpus == name
        if own.sum() <= 1:
            continue
        centred = scores[own] - scores[own].mean(axis=0)
        rated = ratings[own] - ratings[own].mean(axis=0)
        spread = np.outer(np.square(rated).sum(axis=0), np.square(centred).sum(axis=0))
        total += own.sum() * (rated.T @ centred) / np.sqrt(np.maximum(spread, 1e-12))
    correlations: NDArray[np.float64] = total / len(corpus)
    return correlations
