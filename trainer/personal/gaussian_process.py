"""How one dimension of a listener differs from what the regression says: a Gaussian process.

What a person says of a sound is what the regression says of it, plus an offset, plus a gain, plus
an offset and a gain that vary from one kind of sound to another. So a group of sounds that is felt
the other way round is a place where the gain is negative. How much each of the four counts, and how
noisy an annotation is, is learned from the annotations (Rasmussen and Williams, Gaussian Processes
for Machine Learning, 2006, chapter 5). docs/learning.md says what that gains.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import minimize

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS: Final = ("sound", "rater", "offset", "gain", "local offset", "local gain")
"""Of what a rating's departure from the regression is made, each with a standard deviation.

`sound` is what no descriptor tells and `rater` what another person would have said differently; the
latter falls with the number of raters.
"""

# Medians and spreads (in natural logarithms) of log-normal priors. Wide: they only keep a handful
# of annotations from being explained by one part alone.
_EXPECTED: Final = np.log([0.2, 0.1, 0.2, 0.5, 0.15, 0.7])
_UNSURE: Final = np.array([0.5, 1.0, 1.0, 1.0, 1.0, 1.0])

MOST_ROWS: Final = 1000
"""More annotated sounds than this are not kept in one calibration: the fit grows with the cube."""

_MOST_WEIGHED: Final = 300
_STEPS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedSounds:
    """Annotated sounds as a calibration meets them, in one dimension.

    Attributes:
        positions: shape (sounds, components), float32, in the space of the personal layer.
        predicted: shape (sounds,), what the regression predicts, in [-1, 1].
        rating: shape (sounds,), what the listener says, in [-1, 1].
        raters: shape (sounds,), how many people that is the mean of.
        sound: shape (sounds,), as `annotations.sound_keys`.
        group: shape (sounds,), as `annotations.group_keys`.
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
        return RatedSounds(
            positions=self.positions[rows],
            predicted=self.predicted[rows],
            rating=self.rating[rows],
            raters=self.raters[rows],
            sound=self.sound[rows],
            group=self.group[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualProcess:
    """A fitted map from what the regression says to what the listener would say.

    Attributes:
        rated: the sounds it was fitted on.
        spreads: shape (6,), the standard deviation of each of `PARTS`.
        duals: shape (sounds,), the weight of each fitted sound.
        widening: what the half widths of the regression's intervals are multiplied by.
    """

    rated: RatedSounds
    spreads: NDArray[np.float64]
    duals: NDArray[np.float64]
    widening: float = 1.0

    def predict(
        self, places: NDArray[np.float32], said: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return what the listener would say, in [-1, 1].

        Args:
            places: shape (sounds, components).
            said: shape (sounds,), what the regression says.

        Returns:
            Shape (sounds,).
        """
        offset, gain, local_offset, local_gain = np.square(self.spreads[2:])
        alike = likeness(places, self.rated.positions)
        # Offset and gain at each sound; said is what the gain is a gain of.
        scaled = self.duals * self.rated.predicted
        offsets = offset * self.duals.sum() + local_offset * (alike @ self.duals)
        gains = gain * scaled.sum() + local_gain * (alike @ scaled)
        heard: NDArray[np.float64] = np.clip(said + offsets + gains * said, -1.0, 1.0)
        return heard

    def without(
        self, sounds: NDArray[np.uint64], groups: NDArray[np.uint64]
    ) -> ResidualProcess | None:
        """Return the calibration as if some sounds had not been annotated, nor their groups.

        How much each part counts stays as it was learned with them.

        Returns:
            None if no annotated sound is left.
        """
        left = ~(np.isin(self.rated.sound, sounds) | np.isin(self.rated.group, groups))
        if not left.any():
            return None
        rated = self.rated.subset(left)
        return replace(self, rated=rated, duals=_duals(rated, self.spreads))


def fit_calibration(rated: RatedSounds, seed: int) -> ResidualProcess:
    """Learn how much each part counts, then what the listener says.

    Args:
        rated: at least one sound.
        seed: of the draw of sounds where there are too many.
    """
    drawing = np.random.default_rng(seed)
    if len(rated) > MOST_ROWS:
        rated = rated.subset(np.sort(drawing.permutation(len(rated))[:MOST_ROWS]))
    weighed = rated
    if len(rated) > _MOST_WEIGHED:
        weighed = rated.subset(np.sort(drawing.permutation(len(rated))[:_MOST_WEIGHED]))
    spreads = _learned_spreads(weighed)
    return ResidualProcess(rated=rated, spreads=spreads, duals=_duals(rated, spreads))


def likeness(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how alike sounds are, in (0, 1]: 1/2 at the mean squared difference of 1.

    Args:
        first: shape (sounds, components).
        second: shape (others, components).

    Returns:
        Shape (sounds, others).
    """
    gaps = (
        np.square(first).sum(axis=1)[:, None]
        + np.square(second).sum(axis=1)[None]
        - 2.0 * (first @ second.T)
    )
    mean = np.maximum(gaps, 0.0) / np.float32(first.shape[1])
    alike: NDArray[np.float64] = 1.0 / (1.0 + mean.astype(np.float64))
    return alike


def _learned_spreads(rated: RatedSounds) -> NDArray[np.float64]:
    parts = _parts(rated)
    departure = rated.rating - rated.predicted

    def unlikeliness(logs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the negative log posterior of the spreads, and its slope."""
        weights = np.exp(2 * logs)
        try:
            factor = cho_factor(np.einsum("p,pij->ij", weights, parts), lower=True)
        except LinAlgError:
            return np.inf, np.zeros_like(logs)
        duals = cho_solve(factor, departure)
        surplus = (logs - _EXPECTED) / _UNSURE
        value = 0.5 * departure @ duals + np.log(np.diag(factor[0])).sum() + 0.5 * surplus @ surplus
        excess = cho_solve(factor, np.eye(len(duals))) - np.outer(duals, duals)
        slope = weights * np.einsum("ij,pij->p", excess, parts) + surplus / _UNSURE
        return float(value), slope

    found = minimize(
        unlikeliness, _EXPECTED, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS},
        bounds=[(low, low + 8) for low in _EXPECTED - 4],
    )  # fmt: skip
    spreads: NDArray[np.float64] = np.exp(found.x)
    return spreads


def _duals(rated: RatedSounds, spreads: NDArray[np.float64]) -> NDArray[np.float64]:
    own, rater, offset, gain, local_offset, local_gain = np.square(spreads)
    said = np.outer(rated.predicted, rated.predicted)
    covariance = offset + gain * said
    covariance += (local_offset + local_gain * said) * likeness(rated.positions, rated.positions)
    covariance[np.diag_indices_from(covariance)] += own + rater / rated.raters
    duals: NDArray[np.float64] = cho_solve(
        cho_factor(covariance, lower=True), rated.rating - rated.predicted
    )
    return duals


def _parts(rated: RatedSounds) -> NDArray[np.float64]:
    """Return the covariance that each part would have alone, shape (6, sounds, sounds)."""
    alike = likeness(rated.positions, rated.positions)
    said = np.outer(rated.predicted, rated.predicted)
    return np.stack(
        [
            np.eye(len(rated)),
            np.diag(1 / rated.raters),
            np.ones_like(said),
            said,
            alike,
            said * alike,
        ]
    )
