"""Joining groups that share a clip, so that related clips are never split between folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence


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
