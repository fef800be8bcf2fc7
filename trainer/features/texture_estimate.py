"""Estimates the texture of sounds that were analysed before texture was described.

Vectors of 0.2.0 and earlier end with harmony and rhythm. Their files need not be analysed again,
since most of the texture follows from ComParE's own contours: a linear regression on them explains
two thirds of its variance among everyday sounds of corpora that it was not fitted on. It was fitted
on the clips of the starter bundle, by `trainer.starter.texture_fit`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.files.array_archive import read_arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

FITTED: Final = Path(__file__).with_name("texture_estimate.npz")
_MOST_BYTES: Final = 1 << 20
WIDEST: Final = 3.0
"""How many deviations from its mean a descriptor counts at most."""

_SOFTEST: Final = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class TextureEstimate:
    """A linear regression of texture on descriptors of a vector without it.

    Attributes:
        columns: the descriptors, shape (used,).
        level: the column of the average level, shape (1,).
        powers: of the level, by which each descriptor grows, shape (used,).
        scale: a middle size of each, shape (used,), more than 0.
        mean: of the compressed descriptors; deviation, more than 0; each of shape (used,).
        weights: shape (used, textures).
        offsets: shape (textures,).
        lowest: the least that occurs; highest, the most; each of shape (textures,).
        steadiness: of each, as `TrainingTable` has it, shape (textures,).
    """

    columns: NDArray[np.intp]
    level: NDArray[np.intp]
    powers: NDArray[np.float32]
    scale: NDArray[np.float32]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]
    lowest: NDArray[np.float32]
    highest: NDArray[np.float32]
    steadiness: NDArray[np.float32]

    def of(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Estimate the texture from vectors of shape (clips, descriptors), with or without it."""
        equal = at_equal_level(vectors[:, self.columns], vectors[:, self.level], self.powers)
        compressed = compress(equal, self.scale)
        places = np.clip((compressed - self.mean) / self.deviation, -WIDEST, WIDEST)
        # Not by a matrix product, of which a row depends on how many there are.
        texture = np.einsum("cd,dt->ct", places, self.weights, optimize=False) + self.offsets
        bounded: NDArray[np.floating] = np.clip(texture, self.lowest, self.highest)
        return bounded.astype(np.float32)


def at_equal_level(
    values: NDArray[np.float32], level: NDArray[np.float32], powers: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return descriptors, (clips, used), divided by the power of the level, (clips, 1)."""
    equal: NDArray[np.float64] = values / np.maximum(level.astype(np.float64), _SOFTEST) ** powers
    return equal


def compress(values: NDArray[np.float64], scale: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return signed logarithms of descriptors, which span many orders of magnitude."""
    logarithms: NDArray[np.float64] = np.sign(values) * np.log1p(np.abs(values) / scale)
    return logarithms


@cache
def shipped_estimate() -> TextureEstimate:
    """Return the regression that ships with the package."""
    arrays = read_arrays(FITTED.read_bytes(), _MOST_BYTES)
    return TextureEstimate(**{each.name: arrays[each.name] for each in fields(TextureEstimate)})
