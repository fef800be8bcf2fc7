"""Which file of the catalogue a new file was before it was renamed or moved.

Its record, with the history of its tags, goes with it. Copies of one sound have histories of their
own, so that the sound alone tells this only where no other file has it. Where files exchange their
names, or one takes the name that another has left, each finds its own record again: one whose path
another file has taken is kept aside meanwhile (`Catalogue.set_aside`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.watch.file_state import is_gone, stamp_at

if TYPE_CHECKING:
    from storage.catalogue import Catalogue
    from storage.schema.file_stamps import FileStamp
    from storage.schema.records import Clip, QueueEntry


def origin_of(
    catalogue: Catalogue, entry: QueueEntry, identity: str, known: Clip | None
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
        clips = [clip for clip in clips if _is_renamed(clip.stamp, new)]
    elif len(clips) > 1:
        same = [clip for clip in clips if _is_as_large_and_old(clip.stamp, new)]
        clips = same or [clip for clip in clips if clip.stamp.inode == new.inode]
    gone = (clip for clip in clips if clip.path != entry.path and has_left(clip, new))
    return next(gone, None)


def has_left(clip: Clip, new: FileStamp) -> bool:
    """Tell whether the file of a clip is not at its path any more, if `new` is what it has now."""
    if is_gone(clip.path):
        return True
    there = stamp_at(clip.path)
    return there is not None and there.inode != new.inode and _is_renamed(clip.stamp, new)


def _is_renamed(old: FileStamp, new: FileStamp) -> bool:
    return old.inode == new.inode and _is_as_large_and_old(old, new)


def _is_as_large_and_old(old: FileStamp, new: FileStamp) -> bool:
    return (old.size, old.mtime_ns) == (new.size, new.mtime_ns)
