"""A Gaussian process for the difference between a listener's ratings and the regression.

In each dimension the rating is modelled as the regression's prediction, plus an offset and a gain,
plus an offset and a gain that vary with the position of the sound; where a listener feels the
opposite, the local gain is negative. The variance of each part and the noise of the annotations are
learned from the annotations (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
chapter 5). docs/learning.md reports what that gains.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import minimize

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS: Final = ("sound", "rater", "offset", "gain", "local offset", "local gain")
"""Parts of the residual (rating minus prediction), each with a standard deviation.

`sound` is what the descriptors do not explain. `rater` is the disagreement between people, whose
variance falls with the number of raters.
"""

# Medians and standard deviations (in natural logarithms) of log-normal priors. They are wide, and
# only keep a few annotations from being explained by one part alone.
_PRIOR_MEDIAN: Final = np.log([0.2, 0.1, 0.2, 0.5, 0.15, 0.7])
_PRIOR_WIDTH: Final = np.array([0.5, 1.0, 1.0, 1.0, 1.0, 1.0])

MOST_ROWS: Final = 1000
"""Most annotated sounds in one fit, whose time grows with the cube of their number."""

_MOST_FOR_SPREADS: Final = 300
_STEPS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedSounds:
    """Annotated sounds with the regression's predictions, in one dimension.

    Attributes:
        positions: shape (sounds, components), float32, in the space of the personal layer.
        predicted: shape (sounds,), what the regression predicts, in [-1, 1].
        rating: shape (sounds,), the listener's, in [-1, 1].
        raters: shape (sounds,), number of people behind the rating.
        sound: shape (sounds,), hashes from `annotation_arrays.sound_keys`.
        group: shape (sounds,), hashes from `annotation_arrays.group_keys`.
    """

    positions: NDArray[np.float32]
    predicted: NDArray[np.float64]
    rating: NDArray[np.float64]
    raters: NDArray[np.float64]
    sound: NDArray[np.uint64]
    group: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.predicted)

    def subset(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> RatedSounds:
        """Return some rows."""
        return replace(self, **{each.name: getattr(self, each.name)[rows] for each in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualProcess:
    """A fitted map from the regression's predictions to the listener's ratings.

    Attributes:
        rated: the sounds it was fitted on.
        spreads: shape (6,), the standard deviation of each of `PARTS`.
        duals: shape (sounds,), the dual coefficient of each fitted sound.
        widening: factor for the half widths of the regression's intervals.
    """

    rated: RatedSounds
    spreads: NDArray[np.float64]
    duals: NDArray[np.float64]
    widening: float = 1.0

    def predict(
        self, positions: NDArray[np.float32], predicted: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the listener's expected ratings, shape (sounds,), in [-1, 1]."""
        offset, gain, local_offset, local_gain = np.square(self.spreads[2:])
        similar = similarity(positions, self.rated.positions)
        scaled = self.duals * self.rated.predicted
        offsets = offset * self.duals.sum() + local_offset * (similar @ self.duals)
        gains = gain * scaled.sum() + local_gain * (similar @ scaled)
        adjusted = predicted + offsets + gains * predicted
        clipped: NDArray[np.float64] = np.clip(adjusted, -1.0, 1.0)
        return clipped

    def without(
        self, sounds: NDArray[np.uint64], groups: NDArray[np.uint64]
    ) -> ResidualProcess | None:
        """Fit again without some sounds and groups, with the same spreads.

        Returns:
            None if no annotated sound is left.
        """
        left = ~(np.isin(self.rated.sound, sounds) | np.isin(self.rated.group, groups))
        if not left.any():
            return None
        rated = self.rated.subset(left)
        return replace(self, rated=rated, duals=_duals(rated, self.spreads))


def fit_residual_process(rated: RatedSounds, seed: int) -> ResidualProcess:
    """Fit the spreads, then the dual coefficients, on at least one sound.

    `seed` is that of the sample that is used where there are too many sounds.
    """
    rng = np.random.default_rng(seed)
    rated = _sample(rated, MOST_ROWS, rng)
    spreads = _fit_spreads(_sample(rated, _MOST_FOR_SPREADS, rng))
    return ResidualProcess(rated=rated, spreads=spreads, duals=_duals(rated, spreads))


def _sample(rated: RatedSounds, most: int, rng: np.random.Generator) -> RatedSounds:
    if len(rated) <= most:
        return rated
    return rated.subset(np.sort(rng.permutation(len(rated))[:most]))


def similarity(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the rational quadratic kernel of two sets of positions, in (0, 1].

    It is 1/2 at a mean squared difference of 1. Shape (sounds of the first, sounds of the second).
    """
    distances = (
        np.square(first).sum(axis=1)[:, None]
        + np.square(second).sum(axis=1)[None]
        - 2.0 * (first @ second.T)
    )
    mean = np.maximum(distances, 0.0) / np.float32(first.shape[1])
    similar: NDArray[np.float64] = 1.0 / (1.0 + mean.astype(np.float64))
    return similar


def _fit_spreads(rated: RatedSounds) -> NDArray[np.float64]:
    parts = _covariances(rated)
    residual = rated.rating - rated.predicted

    def negative_log_posterior(logs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return it for the logarithms of the spreads, and its gradient."""
        weights = np.exp(2 * logs)
        try:
            factor = cho_factor(np.einsum("p,pij->ij", weights, parts), lower=True)
        except LinAlgError:
            return np.inf, np.zeros_like(logs)
        duals = cho_solve(factor, residual)
        prior = (logs - _PRIOR_MEDIAN) / _PRIOR_WIDTH
        value = 0.5 * residual @ duals + np.log(np.diag(factor[0])).sum() + 0.5 * prior @ prior
        excess = cho_solve(factor, np.eye(len(duals))) - np.outer(duals, duals)
        gradient = weights * np.einsum("ij,pij->p", excess, parts) + prior / _PRIOR_WIDTH
        return float(value), gradient

    found = minimize(
        negative_log_posterior,
        _PRIOR_MEDIAN,
        jac=True,
        method="L-BFGS-B",
        bounds=[(low, low + 8) for low in _PRIOR_MEDIAN - 4],
        options={"maxiter": _STEPS},
    )
    spreads: NDArray[np.float64] = np.exp(found.x)
    return spreads


def _duals(rated: RatedSounds, spreads: NDArray[np.float64]) -> NDArray[np.float64]:
    own, rater, offset, gain, local_offset, local_gain = np.square(spreads)
    products = np.outer(rated.predicted, rated.predicted)
    similar = similarity(rated.positions, rated.positions)
    covariance = offset + gain * products
    covariance += (local_offset + local_gain * products) * similar
    covariance[np.diag_indices_from(covariance)] += own + rater / rated.raters
    duals: NDArray[np.float64] = cho_solve(
        cho_factor(covariance, lower=True), rated.rating - rated.predicted
    )
    return duals


def _covariances(rated: RatedSounds) -> NDArray[np.float64]:
    """Return the covariance of each part at unit variance, shape (6, sounds, sounds)."""
    similar = similarity(rated.positions, rated.positions)
    products = np.outer(rated.predicted, rated.predicted)
    sound, rater = np.eye(len(rated)), np.diag(1 / rated.raters)
    return np.stack([sound, rater, np.ones_like(products), products, similar, products * similar])
