"""The paper's pipelines (Simonetta, Certo and Ntalampiras, 2024), tuned on inner grouped folds.

Standard scaling, principal components for 99 % of the variance, and support vector regression with
a Gaussian kernel; or standard scaling and an elastic net. The paper searched 26,000 settings for
hours; here are a few, around its choices and ours.
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
_ENET_ITERATIONS: Final = 300


class SupportVectorPipeline:
    """Standard scaling, principal components, support vector regression; C tuned on inner folds.

    Attributes:
        held_out_errors: absolute errors of the chosen settings on the inner folds, shape (clips,
            2).
    """

    def __init__(self, table: TrainingTable, seed: int) -> None:
        predicted = np.empty((len(SVR_COSTS), *table.ratings.shape))
        for train, test in inner_splits(table, seed):
            space = _Components(table.vectors[train])
            kernel = space.kernel(table.vectors[test])
            for dim in range(predicted.shape[2]):
                for choice, cost in enumerate(SVR_COSTS):
                    fitted = _support_vectors(space, table.ratings[train, dim], cost)
                    predicted[choice, test, dim] = fitted.predict(kernel)
        chosen, self.held_out_errors = _best(predicted, table.ratings)
        self._space = _Components(table.vectors)
        self._fitted = [
            _support_vectors(self._space, table.ratings[:, dim], SVR_COSTS[choice])
            for dim, choice in enumerate(chosen)
        ]

    def predict(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Predict both dimensions, shape (clips, 2)."""
        kernel = self._space.kernel(vectors)
        return np.stack([fitted.predict(kernel) for fitted in self._fitted], axis=1)


class ElasticNetPipeline:
    """Standard scaling and an elastic net; penalty and L1 share tuned on inner folds.

    Attributes:
        held_out_errors: absolute errors of the chosen settings on the inner folds, shape (clips,
            2).
    """

    def __init__(self, table: TrainingTable, seed: int) -> None:
        choices = [(share, penalty) for share in LASSO_SHARES for penalty in PENALTIES]
        predicted = np.empty((len(choices), *table.ratings.shape))
        for train, test in inner_splits(table, seed):
            scale = _Scale(table.vectors[train])
            scaled, held_out = (scale.scaled(table.vectors[rows]) for rows in (train, test))
            for dim in range(predicted.shape[2]):
                rated = table.ratings[train, dim]
                weights = [_elastic_nets(scaled, rated, share) for share in LASSO_SHARES]
                products = held_out @ np.concatenate(weights, axis=1)
                predicted[:, test, dim] = products.T + rated.mean()
        chosen, self.held_out_errors = _best(predicted, table.ratings)
        self._scale = _Scale(table.vectors)
        self._means = table.ratings.mean(axis=0)
        scaled = self._scale.scaled(table.vectors)
        columns = []
        for dim, choice in enumerate(chosen):
            share, penalty = choices[choice]
            by_penalty = _elastic_nets(scaled, table.ratings[:, dim], share)
            columns.append(by_penalty[:, PENALTIES.index(penalty)])
        self._weights = np.stack(columns, axis=1)

    def predict(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Predict both dimensions, shape (clips, 2)."""
        predicted: NDArray[np.float64] = self._scale.scaled(vectors) @ self._weights + self._means
        return predicted


class _Scale:
    """Means and standard deviations of the descriptors; a constant one becomes 0."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        wide = vectors.astype(np.float64)
        self._mean = wide.mean(axis=0)
        deviation = wide.std(axis=0)
        self._factor = np.where(deviation > 0, 1.0 / np.where(deviation > 0, deviation, 1.0), 0.0)

    def scaled(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return standard scores, in the column order that suits coordinate descent."""
        return np.asfortranarray((vectors - self._mean) * self._factor)


class _Components:
    """The principal components for 99 % of the variance, and a Gaussian kernel on them.

    With fewer clips than descriptors they are computed from the clips' inner products, which is
    much faster than from the covariance of the descriptors.
    """

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._scale = _Scale(vectors)
        self._scaled = self._scale.scaled(vectors)
        values, directions = eigh(self._scaled @ self._scaled.T)
        values, directions = np.maximum(values[::-1], 0.0), directions[:, ::-1]
        share = np.cumsum(values) / max(float(values.sum()), 1e-12)
        count = int(np.searchsorted(share, VARIANCE_KEPT)) + 1
        roots = np.sqrt(np.maximum(values[:count], 1e-12))
        self._rotation = directions[:, :count] / roots
        self._positions = directions[:, :count] * roots
        self._gamma = 1.0 / max(self._positions.var() * self._positions.shape[1], 1e-12)
        self.own_kernel = self._gaussian(self._positions)

    def kernel(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the kernel with the fitted clips, shape (clips, fitted clips)."""
        return self._gaussian(self._scale.scaled(vectors) @ self._scaled.T @ self._rotation)

    def _gaussian(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        distances = -2.0 * positions @ self._positions.T
        distances += np.square(positions).sum(axis=1)[:, None]
        distances += np.square(self._positions).sum(axis=1)
        kernel: NDArray[np.float64] = np.exp(-self._gamma * np.maximum(distances, 0.0))
        return kernel


def _support_vectors(space: _Components, rated: NDArray[np.float64], cost: float) -> SVR:
    return SVR(kernel="precomputed", C=cost, epsilon=SVR_MARGIN).fit(space.own_kernel, rated)


def _elastic_nets(
    scaled: NDArray[np.float64], rated: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """Return the weights for each penalty, strongest first, shape (descriptors, penalties)."""
    found: Sequence[NDArray[np.float64]] = enet_path(
        scaled,
        rated - rated.mean(),
        l1_ratio=share,
        alphas=list(PENALTIES),
        tol=_ENET_TOLERANCE,
        max_iter=_ENET_ITERATIONS,
    )
    return found[1]


def _best(
    predicted: NDArray[np.float64], ratings: NDArray[np.float64]
) -> tuple[list[int], NDArray[np.float64]]:
    """Return the best choice for each dimension, and its absolute errors."""
    chosen = np.argmin(np.square(predicted - ratings).sum(axis=1), axis=0)
    best = np.take_along_axis(predicted, chosen[None, None, :], axis=0)[0]
    return chosen.tolist(), np.abs(np.clip(best, -1.0, 1.0) - ratings)
