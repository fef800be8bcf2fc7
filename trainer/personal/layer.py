"""The personal layer of a bundle: corrects predictions for the listeners of one library.

It is applied to the predictions of the regression, which stays unchanged, and is stored as plain
arrays in ``listener.npz``, never pickled. Of an annotated sound it stores 32 principal components,
the ratings, and hashes of the sound and of its group, but no name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trainer.regression.kind_kernel import DIMENSIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.personal.gaussian_process import ResidualProcess
    from trainer.regression.joint import Predictions

COMPONENTS: Final = 32

_MOST_CLIPS: Final = 1000


@dataclass(frozen=True, slots=True)
class ComponentSpace:
    """A space of leading principal components of the normal scores.

    Attributes:
        basis: shape (descriptors, components), float32; scaled so that the median of the mean
            squared differences between fitted clips is 1.
        origin: shape (components,), float32, which is subtracted.
    """

    basis: NDArray[np.float32]
    origin: NDArray[np.float32]

    def project(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return shape (sounds, components) for scores of shape (sounds, descriptors)."""
        positions: NDArray[np.float32] = scores @ self.basis - self.origin
        return positions


def fit_space(scores: NDArray[np.float32]) -> ComponentSpace:
    """Fit the space to normal scores of shape (clips, descriptors) of the regression's own clips.

    Of more than 1000 clips, evenly spaced ones are used.
    """
    rows = np.unique(np.linspace(0, len(scores) - 1, _MOST_CLIPS).astype(np.intp))
    chosen = scores[rows].astype(np.float64)
    mean = chosen.mean(axis=0)
    # Of the clips' inner products, since there are fewer clips than descriptors.
    values, vectors = np.linalg.eigh((chosen - mean) @ (chosen - mean).T)
    count = min(COMPONENTS, len(rows) - 1, scores.shape[1])
    leading, variance = vectors[:, -count:][:, ::-1], values[-count:][::-1]
    basis = (chosen - mean).T @ leading / np.sqrt(np.maximum(variance, 1e-12))
    positions = (chosen - mean) @ basis
    squares = np.square(positions).sum(axis=1)
    distances = (squares[:, None] + squares[None] - 2 * positions @ positions.T) / count
    basis /= np.sqrt(np.median(distances[~np.eye(len(rows), dtype=bool)]))
    return ComponentSpace(basis.astype(np.float32), (mean @ basis).astype(np.float32))


@dataclass(frozen=True, slots=True)
class PersonalLayer:
    """The corrections of both dimensions; None leaves the regression's prediction unchanged."""

    space: ComponentSpace
    arousal: ResidualProcess | None
    valence: ResidualProcess | None

    def of(self, dimension: str) -> ResidualProcess | None:
        """Return the correction of ``arousal`` or of ``valence``."""
        found: ResidualProcess | None = getattr(self, dimension)
        return found

    def adjust(self, predicted: Predictions, scores: NDArray[np.float32]) -> Predictions:
        """Correct the regression's predictions of sounds with the given normal scores."""
        positions = self.space.project(scores)
        changed: dict[str, Any] = {}
        for name in DIMENSIONS:
            process = self.of(name)
            if process is None:
                continue
            affect = process.predict(positions, getattr(predicted, name))
            half = half_widths(predicted, name) * process.widening
            changed |= {
                name: affect,
                f"{name}_low": np.clip(affect - half, -1.0, 1.0),
                f"{name}_high": np.clip(affect + half, -1.0, 1.0),
            }
        return replace(predicted, **changed)


def half_widths(predicted: Predictions, dimension: str) -> NDArray[np.float64]:
    """Return half the width of each interval, in [0, 2], before clipping to the scale."""
    middle = getattr(predicted, dimension)
    low, high = getattr(predicted, f"{dimension}_low"), getattr(predicted, f"{dimension}_high")
    # At most one end is clipped: no interval is as wide as the scale.
    widths: NDArray[np.float64] = np.maximum(middle - low, high - middle)
    return widths
