"""Joining groups that share a clip, and assigning clips to folds without splitting a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from numpy.typing import NDArray


def grouped_folds(
    corpus: NDArray[np.str_], group: NDArray[np.str_], folds: int, seed: int
) -> NDArray[np.intp]:
    """Assign each clip to a fold so that no group is split and every corpus is spread evenly.

    Within a corpus the groups are shuffled, and each goes to the fold that has the fewest clips of
    that corpus so far. A group that spans corpora goes with the first of them.

    Returns:
        The fold of each clip, shape (clips,), from 0 to folds - 1.
    """
    rng = np.random.default_rng(seed)
    fold_of: dict[str, int] = {}
    for name in np.unique(corpus):
        names, counts = np.unique(group[corpus == name], return_counts=True)
        filled = np.zeros(folds)
        for known in names[[g in fold_of for g in names]]:
            filled[fold_of[known]] += counts[names == known][0]
        for i in rng.permutation(len(names)):
            if names[i] not in fold_of:
                fold = int(np.argmin(filled))
                fold_of[names[i]] = fold
                filled[fold] += counts[i]
    return np.array([fold_of[g] for g in group], dtype=np.intp)


def joined_groups(keys: Sequence[Iterable[Hashable]]) -> list[int]:
    """Return the component of each clip, where clips with a key in common are linked.

    A component is numbered by the index of its first clip.
    """
    parent = list(range(len(keys)))

    def root(clip: int) -> int:
        while parent[clip] != clip:
            parent[clip] = parent[parent[clip]]
            clip = parent[clip]
        return clip

    first: dict[Hashable, int] = {}
    for clip, own in enumerate(keys):
        for key in own:
            ours, theirs = root(clip), root(first.setdefault(key, clip))
            parent[max(ours, theirs)] = min(ours, theirs)
    return [root(clip) for clip in range(len(keys))]
