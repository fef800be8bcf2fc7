"""Active learning: choosing the sounds whose ratings would improve the predictions most."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def most_informative(
    scores: NDArray[np.float32],
    uncertainty: NDArray[np.float64],
    rated: NDArray[np.float32],
    count: int,
) -> list[int]:
    """Choose at most `count` sounds that are uncertain and unlike the rated ones and each other.

    Greedy: each next sound has the largest product of its uncertainty and its distance to the
    nearest rated or chosen sound (Sener and Savarese, Active Learning for Convolutional Neural
    Networks: A Core-Set Approach, 2018, with the distance weighted). Distance is one minus the
    correlation of the descriptors.

    Args:
        scores: normal scores of the candidates, shape (candidates, descriptors).
        uncertainty: of each candidate, more than 0, shape (candidates,).
        rated: normal scores of rated sounds, shape (rated, descriptors).
        count: the largest number.

    Returns:
        Rows of `scores`, the most informative first.
    """
    directions = _directions(scores)
    nearest = np.full(len(scores), 2.0)
    if len(rated):
        nearest = 1.0 - (directions @ _directions(rated).T).max(axis=1).astype(np.float64)
    chosen: list[int] = []
    for _ in range(min(count, len(scores))):
        worth = uncertainty * np.maximum(nearest, 0.0)
        worth[chosen] = -1.0
        best = int(np.argmax(worth))
        chosen.append(best)
        nearest = np.minimum(nearest, 1.0 - directions @ directions[best])
    return chosen


def _directions(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(scores, axis=1, keepdims=True)
    directions: NDArray[np.float32] = scores / np.maximum(lengths, np.float32(1e-9))
    return directions
