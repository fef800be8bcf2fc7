"""What a training table says before anything is fitted: relevant descriptors and levels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from trainer.regression.kind_kernel import KINDS
from trainer.regression.level_curve import USUAL_DB, level_db

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_SPREAD_DB: Final = 3.0
_RATED_BY_CLIP: Final = 0.4
"""Mean weight from which the ratings of a corpus are those of its clips, not norms of classes."""

_FEWEST_EFFECTIVE: Final = 50

_COUNTS: Final = {"sound": 3.0}
"""How often a clip counts of a kind of which few are rated. Music gains by it, too."""


class RatedClips(NamedTuple):
    """What is known of some clips: arrays as in `TrainingTable`, ratings (clips, targets)."""

    vectors: NDArray[np.float32]
    ratings: NDArray[np.float64]
    weight: NDArray[np.float64]
    kind: NDArray[np.str_]
    corpus: NDArray[np.str_]

    def at(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> RatedClips:
        """Return some of the clips."""
        return RatedClips(
            self.vectors[rows],
            self.ratings[rows],
            self.weight[rows],
            self.kind[rows],
            self.corpus[rows],
        )


def known_level(vectors: NDArray[np.float32], corpus: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return the level of each clip; the usual one where its corpus has one level for all."""
    level = level_db(vectors)
    for name in np.unique(corpus):
        own = corpus == name
        if level[own].std() < _LEAST_SPREAD_DB:
            level[own] = USUAL_DB
    return level


def relevance_of(scores: NDArray[np.float32], clips: RatedClips) -> NDArray[np.float64]:
    """Return the squared correlation with each target within corpora, added up over the kinds.

    A corpus counts by its clips, fewer where their ratings are norms of a class. Descriptors may
    correlate in opposite directions for two kinds, so only squares are added up.

    Returns:
        Shape (targets, descriptors); 1 throughout if no corpus has three clips of a kind.
    """
    _, ratings, weight, kind, corpus = clips
    relevance = np.zeros((ratings.shape[1], scores.shape[1]))
    for each in KINDS:
        mean, total = np.zeros_like(relevance), 0.0
        for name in np.unique(corpus[kind == each]):
            own = (kind == each) & (corpus == name)
            if own.sum() <= 2:  # noqa: PLR2004 - two clips always correlate
                continue
            centred = scores[own] - scores[own].mean(axis=0)
            rated = ratings[own] - ratings[own].mean(axis=0)
            spread = np.outer(np.square(rated).sum(axis=0), np.square(centred).sum(axis=0))
            count = own.sum() * min(1.0, weight[own].mean() / _RATED_BY_CLIP)
            mean += count * (rated.T @ centred) / np.sqrt(np.maximum(spread, 1e-12))
            total += count
        if total:
            # 1/n is the expected square of a chance correlation; it keeps every descriptor.
            own_part = np.square(mean / total) + 1.0 / max(total, _FEWEST_EFFECTIVE)
            relevance += (
                _COUNTS.get(each, 1.0) * total * own_part / own_part.mean(axis=1, keepdims=True)
            )
    return relevance if relevance.any() else relevance + 1.0


def with_share(
    weights: NDArray[np.float64], chosen: NDArray[np.bool_], share: float
) -> NDArray[np.float64]:
    """Scale weights to a mean of 1, with a fixed share for the chosen descriptors.

    Otherwise a few dozen of them would have no influence among thousands of others.

    Args:
        weights: shape (targets, descriptors).
        chosen: shape (descriptors,).
        share: of the chosen in the weights of all, in [0, 1].
    """
    parts = [(~chosen, 1.0 - share), (chosen, share)]
    parts = [(columns, part) for columns, part in parts if columns.any()]
    whole = sum(part for _, part in parts)
    scaled = np.empty(weights.shape)
    for columns, part in parts:
        own = weights[:, columns]
        size = weights.shape[1] * part / whole
        scaled[:, columns] = own * size / own.sum(axis=1, keepdims=True)
    return scaled


def heaviest(
    weights: NDArray[np.float64], count: int
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the columns of the largest weights of each row, and these scaled to a mean of 1.

    Args:
        weights: shape (targets, descriptors).
        count: how many are kept, at most.

    Returns:
        Two arrays of shape (targets, kept).
    """
    kept = min(count, weights.shape[1])
    columns = np.sort(np.argsort(-weights, axis=1, kind="stable")[:, :kept], axis=1)
    chosen = np.take_along_axis(weights, columns, axis=1)
    scaled = chosen / chosen.mean(axis=1, keepdims=True)
    return columns, scaled.astype(np.float32)
