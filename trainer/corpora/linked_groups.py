"""Joining groups that share a clip, so that what belongs together meets in one fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence


def joined_groups(ties: Sequence[Iterable[Hashable]]) -> list[int]:
    """Number the groups of clips that are tied, directly or through others.

    Args:
        ties: for each clip what it shares with its kin; clips with one tie in common are kin.

    Returns:
        The group of each clip: the place of the first clip in it.
    """
    parent = list(range(len(ties)))

    def root(clip: int) -> int:
        while parent[clip] != clip:
            parent[clip] = parent[parent[clip]]
            clip = parent[clip]
        return clip

    first: dict[Hashable, int] = {}
    for clip, each in enumerate(ties):
        for tie in each:
            ours, theirs = root(clip), root(first.setdefault(tie, clip))
            parent[max(ours, theirs)] = min(ours, theirs)
    return [root(clip) for clip in range(len(ties))]
