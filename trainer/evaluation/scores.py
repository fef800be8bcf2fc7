"""Scores of a prediction, each with the interval that its sample leaves open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Score = Callable[[NDArray[np.float64], NDArray[np.float64]], float]

RESAMPLES: Final = 1000
"""How often the clips are drawn anew for an interval."""


def r2(rated: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Return the share of the ratings' variance that is explained; 1 at best, no lower bound.

    The variance is taken around the mean of these ratings. Not a number if they are all the same.
    """
    spread = float(np.sum((rated - rated.mean()) ** 2))
    return 1.0 - float(np.sum((rated - predicted) ** 2)) / spread if spread > 0 else float("nan")


def rmse(rated: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Return the root of the mean squared error, in units of the rating."""
    return float(np.sqrt(np.mean((rated - predicted) ** 2)))


def mae(rated: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Return the mean absolute error, in units of the rating."""
    return float(np.mean(np.abs(rated - predicted)))


def ccc(rated: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Return the concordance correlation coefficient (Lin, Biometrics 45, 1989), in [-1, 1].

    Not a number if both are constant and equal.
    """
    covariance = float(np.mean((rated - rated.mean()) * (predicted - predicted.mean())))
    scatter = float(rated.var() + predicted.var() + (rated.mean() - predicted.mean()) ** 2)
    return 2.0 * covariance / scatter if scatter > 0 else float("nan")


SCORES: Final[Mapping[str, Score]] = {"r2": r2, "rmse": rmse, "mae": mae, "ccc": ccc}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and the interval around it.

    Attributes:
        value: the figure.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    value: float
    low: float
    high: float


def estimate(
    score: Score,
    rated: NDArray[np.float64],
    predicted: NDArray[np.float64],
    groups: NDArray[np.str_],
    seed: int,
) -> Estimate:
    """Return a score with its 95 % percentile interval under a bootstrap of whole groups.

    Clips of one group are not independent, so groups are drawn and not clips (Davison and Hinkley,
    Bootstrap Methods and their Application, 1997, section 3.8). With few groups the interval is
    itself rough.

    Args:
        score: one of `SCORES` or the like.
        rated: shape (clips,).
        predicted: shape (clips,).
        groups: group of each clip, shape (clips,).
        seed: of the drawing.
    """
    names, members = np.unique(groups, return_inverse=True)
    rows_of = [np.flatnonzero(members == group) for group in range(len(names))]
    drawing = np.random.default_rng(seed)
    scores = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        rows = np.concatenate([rows_of[g] for g in drawing.integers(0, len(names), len(names))])
        scores[i] = score(rated[rows], predicted[rows])
    finite = scores[np.isfinite(scores)]
    low, high = np.quantile(finite, [0.025, 0.975]) if finite.size else (np.nan, np.nan)
    return Estimate(score(rated, predicted), float(low), float(high))
