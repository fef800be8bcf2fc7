"""The paper's pipelines (Simonetta, Certo and Ntalampiras, 2024), tuned on inner grouped folds.

Standard scaling, principal components that hold 99 % of the variance, and support vectors with a
Gaussian kernel; or standard scaling and an elastic net. The settings are few, since the paper's
26,000 took hours: those around which its choices and ours lay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.linalg import eigh
from sklearn.linear_model import enet_path
from sklearn.svm import SVR

from trainer.experiments.splits import inner_splits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

SVR_COSTS: Final = (0.3, 1.0, 3.0, 10.0)
SVR_MARGIN: Final = 0.1
VARIANCE_KEPT: Final = 0.99
PENALTIES: Final = (0.3, 0.1, 0.03)
LASSO_SHARES: Final = (0.1, 0.5, 0.9)

_ENET_TOLERANCE: Final = 1e-3
_ENET_ROUNDS: Final = 300


class SupportVectorPipeline:
    """Standard scaling, principal components, support vector regression; C by inner folds.

    Args:
        table: what to fit on.
        seed: of the inner folds.

    Attributes:
        held_errors: absolute errors of the chosen settings on the inner folds, shape (clips, 2).
    """

    def __init__(self, table: TrainingTable, seed: int) -> None:
        held = np.empty((len(SVR_COSTS), *table.ratings.shape))
        for known, asked in inner_splits(table, seed):
            space = _Components(table.vectors[known])
            near = space.likeness(table.vectors[asked])
            for dim in range(held.shape[2]):
                for choice, cost in enumerate(SVR_COSTS):
                    fitted = _support_vectors(space, table.ratings[known, dim], cost)
                    held[choice, asked, dim] = fitted.predict(near)
        chosen, self.held_errors = _best(held, table.ratings)
        self._space = _Components(table.vectors)
        self._fitted = [
            _support_vectors(self._space, table.ratings[:, dim], SVR_COSTS[choice])
            for dim, choice in enumerate(chosen)
        ]

    def predict(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Predict both dimensions, shape (clips, 2)."""
        near = self._space.likeness(vectors)
        return np.stack([fitted.predict(near) for fitted in self._fitted], axis=1)


class ElasticNetPipeline:
    """Standard scaling and an elastic net; penalty and mixture by inner folds.

    Args:
        table: what to fit on.
        seed: of the inner folds.

    Attributes:
        held_errors: absolute errors of the chosen settings on the inner folds, shape (clips, 2).
    """

    def __init__(self, table: TrainingTable, seed: int) -> None:
        choices = [(share, penalty) for share in LASSO_SHARES for penalty in PENALTIES]
        held = np.empty((len(choices), *table.ratings.shape))
        for known, asked in inner_splits(table, seed):
            scale = _Scale(table.vectors[known])
            fitted_on, met = scale.scaled(table.vectors[known]), scale.scaled(table.vectors[asked])
            for dim in range(held.shape[2]):
                rated = table.ratings[known, dim]
                lines = [_elastic_nets(fitted_on, rated, share) for share in LASSO_SHARES]
                held[:, asked, dim] = (met @ np.concatenate(lines, axis=1)).T + rated.mean()
        chosen, self.held_errors = _best(held, table.ratings)
        self._scale = _Scale(table.vectors)
        self._means = table.ratings.mean(axis=0)
        fitted_on = self._scale.scaled(table.vectors)
        self._lines = np.stack(
            [
                _elastic_nets(fitted_on, table.ratings[:, dim], choices[choice][0])[
                    :, PENALTIES.index(choices[choice][1])
                ]
                for dim, choice in enumerate(chosen)
            ],
            axis=1,
        )

    def predict(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Predict both dimensions, shape (clips, 2)."""
        predicted: NDArray[np.float64] = self._scale.scaled(vectors) @ self._lines + self._means
        return predicted


class _Scale:
    """Means and deviations of the descriptors; one that never varies becomes 0."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        wide = vectors.astype(np.float64)
        self._mean = wide.mean(axis=0)
        deviation = wide.std(axis=0)
        self._factor = np.where(deviation > 0, 1.0 / np.where(deviation > 0, deviation, 1.0), 0.0)

    def scaled(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return standard scores, in the column order that coordinate descent is quick with."""
        return np.asfortranarray((vectors - self._mean) * self._factor)


class _Components:
    """The principal components that hold 99 % of the variance, and a Gaussian kernel on them.

    With fewer clips than descriptors they follow from the clips' inner products, in a fraction of
    the time that the descriptors' covariance would take.
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._scale = _Scale(vectors)
        self._scaled = self._scale.scaled(vectors)
        values, directions = eigh(self._scaled @ self._scaled.T)
        values, directions = np.maximum(values[::-1], 0.0), directions[:, ::-1]
        share = np.cumsum(values) / max(float(values.sum()), 1e-12)
        kept = int(np.searchsorted(share, VARIANCE_KEPT)) + 1
        roots = np.sqrt(np.maximum(values[:kept], 1e-12))
        self._turn = directions[:, :kept] / roots
        self._places = directions[:, :kept] * roots
        self._gamma = 1.0 / max(self._places.var() * self._places.shape[1], 1e-12)
        self.own = self._gaussian(self._places)

    def likeness(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the kernel with the fitted clips, shape (clips, fitted clips)."""
        return self._gaussian(self._scale.scaled(vectors) @ self._scaled.T @ self._turn)

    def _gaussian(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        gaps = -2.0 * places @ self._places.T
        gaps += np.square(places).sum(axis=1)[:, None]
        gaps += np.square(self._places).sum(axis=1)
        likeness: NDArray[np.float64] = np.exp(-self._gamma * np.maximum(gaps, 0.0))
        return likeness


def _support_vectors(space: _Components, rated: NDArray[np.float64], cost: float) -> SVR:
    return SVR(kernel="precomputed", C=cost, epsilon=SVR_MARGIN).fit(space.own, rated)


def _elastic_nets(
    scaled: NDArray[np.float64], rated: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """Fit from the strongest penalty on, each starting where the last ended.

    Returns:
        Shape (descriptors, penalties).
    """
    found: Sequence[NDArray[np.float64]] = enet_path(
        scaled,
        rated - rated.mean(),
        l1_ratio=share,
        alphas=list(PENALTIES),
        tol=_ENET_TOLERANCE,
        max_iter=_ENET_ROUNDS,
    )
    return found[1]


def _best(
    held: NDArray[np.float64], ratings: NDArray[np.float64]
) -> tuple[list[int], NDArray[np.float64]]:
    """Return the best choice for each dimension, and its absolute errors."""
    chosen = np.argmin(np.square(held - ratings).sum(axis=1), axis=0)
    best = np.take_along_axis(held, chosen[None, None, :], axis=0)[0]
    return chosen.tolist(), np.abs(np.clip(best, -1.0, 1.0) - ratings)
