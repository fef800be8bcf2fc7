"""The listener layer of a bundle: what the people of one library feel differently.

It lies on top of the regression, which it leaves as it is. It is kept as plain arrays in
``listener.npz`` and never pickled. Of an annotated sound it keeps a place in a space of 32 numbers,
the ratings, and two numbers that tell sounds and groups apart without naming them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.regression.kernel_expert import DIMENSIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.personal.gaussian_process import ResidualProcess
    from trainer.regression.joint import Predictions

COMPONENTS: Final = 32

_MOST_CLIPS: Final = 1000


@dataclass(frozen=True, slots=True)
class ComponentSpace:
    """Where sounds lie to a listener: leading principal components of the normal scores.

    Attributes:
        basis: shape (descriptors, components), float32; scaled so that a mean squared difference of
            1 is the median over the fitted clips.
        origin: shape (components,), float32, which is taken off.
    """

    basis: NDArray[np.float32]
    origin: NDArray[np.float32]

    def project(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return shape (sounds, components) for scores of shape (sounds, descriptors)."""
        places: NDArray[np.float32] = scores @ self.basis - self.origin
        return places


def fit_space(scores: NDArray[np.float32]) -> ComponentSpace:
    """Find the space of the clips that a regression was fitted on.

    Args:
        scores: shape (clips, descriptors), their normal scores; of more than 1000, evenly spread
            ones are taken.
    """
    rows = np.unique(np.linspace(0, len(scores) - 1, _MOST_CLIPS).astype(np.intp))
    chosen = scores[rows].astype(np.float64)
    mean = chosen.mean(axis=0)
    # The small side of the matrix decides: clips are fewer than descriptors.
    power, sides = np.linalg.eigh((chosen - mean) @ (chosen - mean).T)
    count = min(COMPONENTS, len(rows) - 1, scores.shape[1])
    leading, strength = sides[:, -count:][:, ::-1], power[-count:][::-1]
    basis = (chosen - mean).T @ leading / np.sqrt(np.maximum(strength, 1e-12))
    places = (chosen - mean) @ basis
    squares = np.square(places).sum(axis=1)
    gaps = (squares[:, None] + squares[None] - 2 * places @ places.T) / count
    basis /= np.sqrt(np.median(gaps[~np.eye(len(rows), dtype=bool)]))
    return ComponentSpace(basis.astype(np.float32), (mean @ basis).astype(np.float32))


@dataclass(frozen=True, slots=True)
class PersonalLayer:
    """What differs between a library's listeners and the regression, for each dimension.

    Attributes:
        space: where sounds lie.
        arousal: None where the regression's arousal stays as it is.
        valence: likewise.
    """

    space: ComponentSpace
    arousal: ResidualProcess | None
    valence: ResidualProcess | None

    def of(self, dimension: str) -> ResidualProcess | None:
        """Return the calibration of ``arousal`` or of ``valence``."""
        found: ResidualProcess | None = getattr(self, dimension)
        return found

    def adjust(self, said: Predictions, scores: NDArray[np.float32]) -> Predictions:
        """Return predictions for these listeners from those of the regression.

        Args:
            said: what the regression says of some sounds.
            scores: their normal scores, shape (sounds, descriptors).
        """
        places = self.space.project(scores)
        changed: dict[str, NDArray[np.float64]] = {}
        for name in DIMENSIONS:
            calibration = self.of(name)
            if calibration is None:
                continue
            affect = calibration.predict(places, getattr(said, name))
            half = half_widths(said, name) * calibration.widening
            changed |= {
                name: affect,
                f"{name}_low": np.clip(affect - half, -1.0, 1.0),
                f"{name}_high": np.clip(affect + half, -1.0, 1.0),
            }
        return replace(said, **changed)


def half_widths(said: Predictions, dimension: str) -> NDArray[np.float64]:
    """Return half the width of each interval, in [0, 2], as it was before the scale cut it."""
    middle = getattr(said, dimension)
    low, high = getattr(said, f"{dimension}_low"), getattr(said, f"{dimension}_high")
    # At most one end is cut: no interval is as wide as the scale.
    widths: NDArray[np.float64] = np.maximum(middle - low, high - middle)
    return widths
