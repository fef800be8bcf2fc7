"""What a training table says before anything is fitted: relevant descriptors, levels, norms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.regression.kind_kernel import KINDS
from trainer.regression.level_curve import USUAL_DB, level_db

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_SPREAD_DB: Final = 3.0
_RATED_BY_CLIP: Final = 0.4
"""Mean weight from which the ratings of a corpus are those of its clips, not norms of classes."""

_FEWEST_EFFECTIVE: Final = 50


def known_level(vectors: NDArray[np.float32], corpus: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return the level of each clip; the usual one where its corpus has one level for all."""
    level = level_db(vectors)
    for name in np.unique(corpus):
        own = corpus == name
        if level[own].std() < _LEAST_SPREAD_DB:
            level[own] = USUAL_DB
    return level


def same_norm(ratings: NDArray[np.float64], corpus: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Return which clips of one corpus have the very same ratings, shape (clips, clips)."""
    numbers = np.unique(corpus, return_inverse=True)[1]
    keyed = np.column_stack([numbers, ratings])
    norm, counts = np.unique(keyed, axis=0, return_inverse=True, return_counts=True)[1:]
    repeated = counts[norm] > 1
    same: NDArray[np.bool_] = (norm[:, None] == norm) & repeated[:, None]
    return same


def relevance_of(
    scores: NDArray[np.float32],
    ratings: NDArray[np.float64],
    weight: NDArray[np.float64],
    kind: NDArray[np.str_],
    corpus: NDArray[np.str_],
) -> NDArray[np.float64]:
    """Return the squared correlation with each target within corpora, by kind.

    A corpus counts by its clips, fewer where their ratings are norms of a class. Descriptors may
    correlate in opposite directions for two kinds, so only squares are added up.

    Returns:
        Shape (1 + kinds, targets, descriptors): the sum over the kinds, then each kind. A kind
        without clips has that of all.
    """
    parts = np.zeros((1 + len(KINDS), ratings.shape[1], scores.shape[1]))
    for number, each in enumerate(KINDS, start=1):
        mean, clips = np.zeros_like(parts[0]), 0.0
        for name in np.unique(corpus[kind == each]):
            own = (kind == each) & (corpus == name)
            if own.sum() <= 2:  # noqa: PLR2004 - two clips always correlate
                continue
            centred = scores[own] - scores[own].mean(axis=0)
            rated = ratings[own] - ratings[own].mean(axis=0)
            spread = np.outer(np.square(rated).sum(axis=0), np.square(centred).sum(axis=0))
            count = own.sum() * min(1.0, weight[own].mean() / _RATED_BY_CLIP)
            mean += count * (rated.T @ centred) / np.sqrt(np.maximum(spread, 1e-12))
            clips += count
        if clips:
            # 1/n is the expected square of a chance correlation; it keeps every descriptor.
            parts[number] = clips * (np.square(mean / clips) + 1.0 / max(clips, _FEWEST_EFFECTIVE))
    parts[0] = parts[1:].sum(axis=0)
    if not parts[0].any():
        parts[0] = 1.0
    for part in parts[1:]:
        if not part.any():
            part[:] = parts[0]
    return parts
