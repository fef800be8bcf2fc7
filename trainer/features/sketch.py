"""Sketches: feature vectors projected into a few bytes, by which alike sounds are found quickly.

The projection onto random signs keeps angles: the cosine of two sketches is that of the vectors,
give or take 1 / sqrt(SKETCH_BYTES), about .09 (Johnson and Lindenstrauss, Extensions of Lipschitz
mappings into a Hilbert space, 1984; signs instead of normal numbers: Achlioptas 2003). So sketches
choose candidates, whose vectors are then compared.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SKETCH_BYTES: Final = 128
_SCALE: Final = 300.0
"""The numbers of a sketch of norm 1 have a deviation of .09; beyond 127 / 300 they are cut off."""

_ROWS: Final = 4096


def sketches_of(directions: NDArray[np.float32]) -> NDArray[np.int8]:
    """Project vectors of norm 1, shape (vectors, features).

    Returns:
        Shape (vectors, SKETCH_BYTES).
    """
    projected = directions @ _signs(directions.shape[1])
    lengths = np.linalg.norm(projected, axis=1, keepdims=True)
    scaled = np.rint(projected * (_SCALE / np.maximum(lengths, 1e-9)))
    sketches: NDArray[np.int8] = np.clip(scaled, -127, 127).astype(np.int8)
    return sketches


def likenesses(sketches: NDArray[np.int8], wanted: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return numbers that grow with the cosine of each sketch and the wanted one.

    Args:
        sketches: shape (sounds, SKETCH_BYTES).
        wanted: shape (SKETCH_BYTES,).
    """
    direction = wanted.astype(np.float32)
    parts = (sketches[at : at + _ROWS] for at in range(0, len(sketches), _ROWS))
    products = [part.astype(np.float32) @ direction for part in parts]
    return np.concatenate(products) if products else np.empty(0, np.float32)


@cache
def _signs(features: int) -> NDArray[np.float32]:
    """Return a matrix of 1 and -1, shape (features, SKETCH_BYTES), the same on every machine."""
    count = features * SKETCH_BYTES
    digest = hashlib.shake_256(b"valenced sketch 1").digest(-(-count // 8))
    bits = np.unpackbits(np.frombuffer(digest, np.uint8))[:count]
    return (bits.astype(np.float32) * 2 - 1).reshape(features, SKETCH_BYTES)
