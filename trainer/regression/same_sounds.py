"""Clips of the same sound, found by their feature vectors, so that no split separates them.

Equal audio packets give equal vectors under equal feature settings, whatever a clip is called.
The vectors of one recording in two containers or bit rates are nearly equal. Distance is the mean
squared difference of normal scores (`QuantileScale`), fitted on the clips that are compared: it
is about 2 for unrelated clips. Among the 1,520 clips of starter-6, the four recordings that
Emotify holds twice are within .11, and other pairs of one album begin at .22. Of six pieces of
music, 22 of 24 copies as MP3 at 64 or 128 kbit/s, AAC at 64 or Opus at 24 were within .15 of the
original. Sounds of some seconds change more: of nine, 13 of 36 such copies were beyond .2, and
are missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.regression.folds import joined_groups
from trainer.regression.quantile_scale import QuantileScale

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAREST_OF_OTHERS: Final = 0.2
"""Distance below which two clips count as one recording."""

_MOST_DESCRIPTORS: Final = 1615
"""Every fourth of ours: they separate recordings as well as all do, in a quarter of the time."""

_BLOCK: Final = 1000


def same_sounds(vectors: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return for each clip the number of the first clip that has the same sound.

    Args:
        vectors: shape (clips, descriptors), float32, finite.

    Returns:
        Shape (clips,), from 0; its own number for a clip whose sound did not occur before.
    """
    if not len(vectors):
        return np.empty(0, dtype=np.intp)
    chosen = np.ascontiguousarray(vectors[:, :: -(-vectors.shape[1] // _MOST_DESCRIPTORS)])
    scores = QuantileScale(chosen).scores(chosen)
    squares = np.square(scores).sum(axis=1)
    limit = NEAREST_OF_OTHERS * scores.shape[1]
    keys: list[list[tuple[int, int]]] = [[] for _ in scores]
    for start in range(0, len(scores), _BLOCK):
        block = slice(start, start + _BLOCK)
        distances = squares[block, None] + squares[start:] - 2 * scores[block] @ scores[start:].T
        for first, second in np.argwhere(distances < limit) + start:
            if first < second:
                keys[first].append((first, second))
                keys[second].append((first, second))
    return np.array(joined_groups(keys), dtype=np.intp)


def linked(group: NDArray[np.str_], same: NDArray[np.intp]) -> NDArray[np.str_]:
    """Join the groups that have a sound in common.

    Args:
        group: shape (clips,).
        same: shape (clips,), as `same_sounds` returns it.

    Returns:
        Shape (clips,); joined groups have the name of the first of them.
    """
    keys = [
        (("group", name), ("sound", sound))
        for name, sound in zip(group.tolist(), same.tolist(), strict=True)
    ]
    return group[np.array(joined_groups(keys), dtype=np.intp)]
