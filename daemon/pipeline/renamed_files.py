"""Which file of the catalogue a new file was before it was renamed or moved.

Its record, with the history of its tags, goes with it. Copies of one sound have histories of their
own, so that the sound alone tells this only where no other file has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.watch.file_state import is_gone

if TYPE_CHECKING:
    from storage.catalogue import Catalogue
    from storage.schema.records import Clip, QueueEntry


def origin_of(catalogue: Catalogue, entry: QueueEntry, identity: str) -> Clip | None:
    """Return the clip of the file that was renamed to the path of an entry, None if none was.

    Of several files with one sound it is the one whose size and time the file has, also after a
    move to another disk. A file was moved over another only if it has the inode number, too.
    """
    known = catalogue.clip_at(entry.path)
    if known is not None and known.stamp.holds_for(entry.stamp):
        return None
    new = entry.stamp
    clips = catalogue.likely_origins(identity, new)
    if known is not None or len(clips) > 1:
        clips = [
            clip
            for clip in clips
            if (clip.stamp.size, clip.stamp.mtime_ns) == (new.size, new.mtime_ns)
            and (known is None or clip.stamp.inode == new.inode)
        ]
    gone = (clip for clip in clips if clip.path != entry.path and is_gone(clip.path))
    return next(gone, None)
