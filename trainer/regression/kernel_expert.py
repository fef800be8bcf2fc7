"""One expert of the joint regression: kernel ridge regression on the clips that it knows."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from trainer.regression.quantile_scale import QuantileScale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

DIMENSIONS: Final = ("arousal", "valence")

_NEIGHBOURS: Final = 5
_NOVEL_AT: Final = 0.95
_FEWEST_FOR_SCALE: Final = 30
"""Of fewer clips nothing like a distribution is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertSettings:
    """How one expert is fitted.

    Attributes:
        reach: mean squared difference of weighted scores at which two clips are half alike.
        noise: variance of a rating of weight 1, against a prior variance of 1.
        harmony: share of harmony and rhythm in the weights of all descriptors, in [0, 1].
        relevance: whether descriptors count by steadiness and by what they tell of a dimension;
            otherwise all count the same.
        anchored: whether the scale is that of the clips which set it; otherwise of all fitted ones.
    """

    reach: float
    noise: float
    harmony: float
    relevance: bool
    anchored: bool

    def __setstate__(self, state: Sequence[Any]) -> None:
        """Take up what was pickled, by a release that knew of no anchor too."""
        for field, value in zip(fields(self), (*state, False), strict=False):
            object.__setattr__(self, field.name, value)


class KernelExpert:
    """Kernel ridge regression of both dimensions on rank-transformed descriptors.

    The kernel is the rational quadratic, 1 / (1 + gap / reach): a mixture of Gaussians of all
    widths, so that near clips count in detail and far ones still a little. Each descriptor has a
    weight for each dimension: its squared steadiness times its squared correlation with the
    ratings, taken within each corpus so that what tells the corpora apart does not count. The fit
    equals the mean of a Gaussian process whose noise is inverse to a rating's weight (Rasmussen
    and Williams, Gaussian Processes for Machine Learning, 2006, chapters 2 and 4).

    Args:
        table: descriptors, weights and corpora.
        ratings: what to predict, shape (clips, 2), for each row of the table.
        rows: the rows to fit on.
        settings: how.

    The scores of the fitted clips are not pickled: they follow from the table, and `attach` makes
    them anew.
    """

    def __init__(
        self,
        table: TrainingTable,
        ratings: NDArray[np.float64],
        rows: NDArray[np.intp],
        settings: ExpertSettings,
    ) -> None:
        self.settings = settings
        self.rows = rows
        setting = rows[table.sets_scale[rows]] if settings.anchored else rows
        enough = len(setting) >= _FEWEST_FOR_SCALE
        self.scale = QuantileScale(table.vectors[setting if enough else rows])
        self._scores = self.scale.scores(table.vectors[rows])
        ratings, weight = ratings[rows], table.weight[rows]
        self.weights = self._descriptor_weights(table, ratings)
        self._squares = self._squared(self._scores)
        self.centre = np.average(ratings, axis=0, weights=weight)
        self.duals = np.empty((len(rows), len(DIMENSIONS)))
        spaces = self._spaces(self._scores)
        for dim, gaps in enumerate(spaces):
            kernel = self._likeness(gaps)
            kernel[np.diag_indices_from(kernel)] += settings.noise / weight
            self.duals[:, dim] = cho_solve(cho_factor(kernel), ratings[:, dim] - self.centre[dim])
        # Each clip is its own nearest neighbour, which the first column leaves out.
        among = np.sort(np.mean(spaces, axis=0), axis=1)[:, 1 : _NEIGHBOURS + 1]
        self.farthest = float(np.quantile(np.sqrt(among).mean(axis=1), _NOVEL_AT))

    def attach(self, table: TrainingTable) -> None:
        """Take the fitted clips from the table again, after unpickling."""
        self._scores = self.scale.scores(table.vectors[self.rows])
        self._squares = self._squared(self._scores)

    def predict(
        self, scores: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict both dimensions, and say how far the clips lie from the fitted ones.

        Args:
            scores: shape (clips, descriptors), normal scores on this expert's scale.

        Returns:
            Affect of shape (clips, 2), and novelty of shape (clips,): the mean distance to the five
            nearest fitted clips, where 1 is the 95th percentile of the fitted clips' own.
        """
        spaces = self._spaces(scores)
        affect = np.stack(
            [
                self.centre[dim] + self._likeness(gaps) @ self.duals[:, dim]
                for dim, gaps in enumerate(spaces)
            ],
            axis=1,
        )
        mean = np.mean(spaces, axis=0)
        count = min(_NEIGHBOURS, mean.shape[1] - 1)
        nearest = np.partition(mean, count, axis=1)[:, :count]
        novelty = np.sqrt(nearest).mean(axis=1) / self.farthest
        return affect, novelty.astype(np.float64)

    def _spaces(self, scores: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Return, for each dimension, the mean weighted squared difference to each fitted clip."""
        squares = self._squared(scores)
        spaces = [self._gaps(scores, squares[:, 0], 0)]
        for dim in range(1, len(DIMENSIONS)):
            alike = np.array_equal(self.weights[dim], self.weights[0])
            spaces.append(spaces[0] if alike else self._gaps(scores, squares[:, dim], dim))
        return spaces

    def _gaps(
        self, scores: NDArray[np.float32], squares: NDArray[np.float32], dim: int
    ) -> NDArray[np.float32]:
        gaps: NDArray[np.float32] = (scores * self.weights[dim]) @ self._scores.T
        gaps *= -2.0
        gaps += squares[:, None]
        gaps += self._squares[:, dim]
        np.maximum(gaps, 0.0, out=gaps)
        gaps /= np.float32(scores.shape[1])
        return gaps

    def _squared(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the weighted sum of squares of each clip, shape (clips, dimensions)."""
        squares: NDArray[np.float32] = np.square(scores) @ self.weights.T
        return squares

    def _likeness(self, gaps: NDArray[np.float32]) -> NDArray[np.float64]:
        return 1.0 / (1.0 + gaps.astype(np.float64) / self.settings.reach)

    def _descriptor_weights(
        self, table: TrainingTable, ratings: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        weights = np.ones((len(DIMENSIONS), table.vectors.shape[1]))
        if self.settings.relevance:
            told = _correlations(self._scores, ratings, table.corpus[self.rows])
            # What a correlation of pure chance comes to keeps every descriptor in the kernel.
            weights = np.square(table.steadiness) * (np.square(told) + 1.0 / len(ratings))
        return _shared_out(weights, table.is_harmony, self.settings.harmony).astype(np.float32)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


def _shared_out(
    weights: NDArray[np.float64], is_harmony: NDArray[np.bool_], harmony: float
) -> NDArray[np.float64]:
    """Scale weights to a mean of 1, of which harmony and rhythm have their share.

    Left to their number, a few dozen descriptors would drown among thousands of others.
    """
    parts = [(~is_harmony, 1.0 - harmony), (is_harmony, harmony)]
    present = [(columns, share) for columns, share in parts if columns.any()]
    whole = sum(share for _, share in present)
    scaled = np.empty_like(weights)
    for columns, share in present:
        total = weights[:, columns].sum(axis=1, keepdims=True)
        scaled[:, columns] = weights[:, columns] * (weights.shape[1] * share / (whole * total))
    return scaled


def _correlations(
    scores: NDArray[np.float32], ratings: NDArray[np.float64], corpus: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Return each descriptor's mean correlation within a corpus, shape (dimensions, descriptors).

    Corpora count by their clips.
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
