"""Scores of predictions, with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Score = Callable[[NDArray[np.float64], NDArray[np.float64]], float]

RESAMPLES: Final = 1000
"""Number of bootstrap samples for an interval."""


def r2(rated: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Return the explained share of the ratings' variance around their own mean, at most 1.

    Not a number if all ratings are equal.
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


def coverage(
    rated: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> float:
    """Return the share of ratings inside their intervals, in [0, 1]."""
    return float(np.mean((low <= rated) & (rated <= high)))


def interval_score(
    rated: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], level: float
) -> float:
    """Return the mean width of intervals plus what ratings outside cost, in units of the rating.

    What lies outside counts 2 / (1 - level) times, so that a smaller score is better (Gneiting and
    Raftery, Journal of the American Statistical Association 102, 2007, section 6.2).
    """
    outside = np.maximum(low - rated, 0.0) + np.maximum(rated - high, 0.0)
    return float(np.mean(high - low + 2.0 / (1.0 - level) * outside))


SCORES: Final[Mapping[str, Score]] = {"r2": r2, "rmse": rmse, "mae": mae, "ccc": ccc}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score and the ends of its interval."""

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

    Clips of one group are not independent, so groups are resampled, not clips (Davison and Hinkley,
    Bootstrap Methods and their Application, 1997, section 3.8). With few groups the interval is
    rough. All arrays have shape (clips,).
    """
    names, members = np.unique(groups, return_inverse=True)
    rows_of = [np.flatnonzero(members == group) for group in range(len(names))]
    rng = np.random.default_rng(seed)
    scores = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        rows = np.concatenate([rows_of[g] for g in rng.integers(0, len(names), len(names))])
        scores[i] = score(rated[rows], predicted[rows])
    finite = scores[np.isfinite(scores)]
    low, high = np.quantile(finite, [0.025, 0.975]) if finite.size else (np.nan, np.nan)
    return Estimate(score(rated, predicted), float(low), float(high))


def mean_r2(
    rated: NDArray[np.float64], predicted: NDArray[np.float64], groups: NDArray[np.str_], seed: int
) -> Estimate:
    """Return R2, mean over the repeats, and its interval as `estimate` does.

    R2 follows from sums over groups, which are computed only once. `predicted` has shape (repeats,
    clips), the others (clips,).
    """
    scores = resampled_r2(rated, predicted, groups, seed)
    return Estimate(float(scores[0]), *interval_of(scores))


def resampled_r2(
    rated: NDArray[np.float64], predicted: NDArray[np.float64], groups: NDArray[np.str_], seed: int
) -> NDArray[np.float64]:
    """Return R2, and that of each bootstrap sample of groups; equal seeds draw equal samples."""
    errors = np.square(predicted - rated).mean(axis=0)
    member = np.unique(groups, return_inverse=True)[1]
    sums = np.stack(
        [np.bincount(member, weights=each) for each in (rated**0, rated, rated**2, errors)], axis=1
    )
    count = len(sums)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    totals = np.concatenate([sums.sum(axis=0)[None], drawn @ sums])
    spread = totals[:, 2] - totals[:, 1] ** 2 / totals[:, 0]
    # A spread that is only a rounding error counts as none.
    spread[spread <= 1e-9 * totals[:, 2]] = np.nan
    scores: NDArray[np.float64] = 1.0 - totals[:, 3] / spread
    return scores


def interval_of(scores: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of the 95 % interval; the first score is not of a sample."""
    finite = scores[1:][np.isfinite(scores[1:])]
    low, high = np.quantile(finite, [0.025, 0.975]) if finite.size else (np.nan, np.nan)
    return float(low), float(high)
