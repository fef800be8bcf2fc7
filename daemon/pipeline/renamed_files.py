"""Which file of the catalogue a new file was before it was renamed or moved.

Its record, with the history of its tags, goes with it. Copies of one sound have histories of their
own, so that the sound alone tells this only where no other file has it. Where files exchange their
names, or one takes the name that another has left, each finds its own record again: one whose path
another file has taken is kept aside meanwhile (`Catalogue.set_aside`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from daemon.watch.file_state import is_gone, stamp_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from storage.catalogue import Catalogue
    from storage.schema.file_stamps import FileStamp
    from storage.schema.records import Clip, QueueEntry


class Known(NamedTuple):
    """What is known of a file.

    Attributes:
        clip: its record; None of a new file.
        old_path: from where it was renamed or moved; None if it was not.
    """

    clip: Clip | None
    old_path: Path | None = None


def known_at(
    catalogue: Catalogue,
    entry: QueueEntry,
    identity: str,
    now: datetime,
    knows: Callable[[Clip], bool] = lambda _: True,
) -> Known:
    """Return what is known of the file of an entry, after its record has got its present path.

    The record of another file, which had the path before, makes room. A file was not renamed if
    `knows` does not hold of its clip: another machine may still have it.
    """
    there = catalogue.clip_at(entry.path)
    origin = _origin_of(catalogue, entry, identity, there, knows)
    if origin is None and (there is None or there.identity == identity):
        return Known(there)
    if there is not None:
        catalogue.set_aside(there, now)
    if origin is None:
        return Known(None)
    catalogue.rename_clip(origin, entry.path)
    return Known(replace(origin, path=entry.path), origin.path)


def _origin_of(
    catalogue: Catalogue,
    entry: QueueEntry,
    identity: str,
    known: Clip | None,
    knows: Callable[[Clip], bool],
) -> Clip | None:
    """Return the clip of the file that was renamed to the path of an entry, None if none was.

    Of several files with one sound it is the one whose size and time the file has, also after a
    move to another disk, or else whose inode number it has, as after an edit in place. A file was
    moved over another with the same sound, `known` at this path, only if it has all three.
    """
    if known is not None and known.stamp.holds_for(entry.stamp):
        return None
    new = entry.stamp
    clips = catalogue.likely_origins(identity, new)
    if known is not None and known.identity == identity:
        clips = [clip for clip in clips if clip.stamp.inode == new.inode and _is_as(clip, new)]
    elif len(clips) > 1:
        same = [clip for clip in clips if _is_as(clip, new)]
        clips = same or [clip for clip in clips if clip.stamp.inode == new.inode]
    left = (clip for clip in clips if is_gone(clip.path) or is_renamed(clip, new))
    return next((clip for clip in left if clip.path != entry.path and knows(clip)), None)


def is_renamed(clip: Clip, new: FileStamp) -> bool:
    """Tell whether a file is that of a clip, unchanged, and no longer at the clip's path."""
    return clip.stamp.inode == new.inode and _is_as(clip, new) and _has_left(clip)


def stranger_at(catalogue: Catalogue, clip: Clip, present: FileStamp) -> Clip | None:
    """Return the clip whose file took the path of another since the last look, None if none did.

    A file with the clip's own inode number, or its size and time as on a new disk, is no stranger.
    Nor is one with the inode number of a clip whose file is missing, unless it has also the size
    and the time of that: the number may have been used again.
    """
    if clip.stamp.inode == present.inode or _is_as(clip, present):
        return None
    others = catalogue.clips_with_inode(present.inode)
    likely = (other for other in others if not other.is_missing or _is_as(other, present))
    return next(filter(_has_left, likely), None)


def _has_left(clip: Clip) -> bool:
    there = stamp_at(clip.path)
    return is_gone(clip.path) if there is None else there.inode != clip.stamp.inode


def _is_as(clip: Clip, new: FileStamp) -> bool:
    """Tell whether a file has the size and the time of a clip."""
    return (clip.stamp.size, clip.stamp.mtime_ns) == (new.size, new.mtime_ns)
