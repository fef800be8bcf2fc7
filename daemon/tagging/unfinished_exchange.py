"""Finishes the exchange of a file with its copy, where a kill interrupted it.

From the exchange until its removal the original has our temporary name. A program that saved the
file at that moment, or had it open, left its bytes there. They are not removed: they are put back.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Final

from daemon.tagging.basics.byte_views import Assembled, OpenFile, common_length
from daemon.tagging.disk.atomic_copy import digest_of
from daemon.tagging.disk.leases import READ_LEASE
from daemon.tagging.rescue import RescueKept
from daemon.tagging.undo_record import from_text

if TYPE_CHECKING:
    from daemon.tagging.basics.byte_views import View
    from daemon.tagging.disk.syscalls import DiskCalls
    from daemon.tagging.rescue import Rescue
    from storage.schema.records import BegunWrite

_SAVED: Final = (
    "another program saved it while its tags were written; what it saved is {} beside it: compare"
    " them, and give that the name of the file, or delete it"
)
_GONE: Final = (
    "it is gone since its tags were written; {} beside it is what it was before: give that the name"
    " of the file, or delete it"
)
_OPEN: Final = "a program has {} beside it open, the file of before its tags were written"


def settled(found: Rescue, note: BegunWrite, disk: DiskCalls) -> str:
    """Find out whose bytes have our temporary name, and put them back if they are not ours.

    Args:
        found: what has the temporary name.
        note: of the write.
        disk: does the system calls.

    Returns:
        What was done; what has the temporary name now can be removed.

    Raises:
        RescueKept: it cannot, as it is neither our copy nor the file that was copied.
        OSError: the system refused.
    """
    if _is_copy(os.fstat(found.descriptor), note):
        return "removed"
    _require_closed(found, disk)
    if note.digest == digest_of(found.descriptor):
        # Whatever became of the copy, nobody has saved anything here. A file system that lost the
        # copy's name looks like somebody who deleted the file.
        if disk.status_of(found.folder, note.path.name) is None:
            raise RescueKept(_GONE.format(found.name))
        return "removed"
    try:
        present = disk.open_to_read(found.folder, note.path.name)
    except OSError as error:
        raise RescueKept(_SAVED.format(found.name)) from error
    try:
        there, here = OpenFile(found.descriptor), OpenFile(present)
        # Inode numbers may be others since, so the bytes tell which of the two is the copy.
        if _is_original(there, here, note) or _is_original(here, there, note):
            return "removed"
        if not _is_copy(os.fstat(present), note):
            raise RescueKept(_SAVED.format(found.name))
    finally:
        os.close(present)
    _put_back(found, note, disk)
    return f"put back as {note.path.name}: another program saved it while its tags were written"


def _is_copy(status: os.stat_result, note: BegunWrite) -> bool:
    return (status.st_ino, status.st_size) == (note.rescue_inode, note.rescue_size)


def _is_original(old: View, new: View, note: BegunWrite) -> bool:
    """Tell whether a file is, byte for byte, what a copy was made of."""
    if note.way_back is None:
        return False
    try:
        made = Assembled(new, from_text(note.way_back, new.size))
    except (ValueError, zlib.error):
        return False
    return made.size == old.size and common_length(made, 0, old, 0) == old.size


def _require_closed(found: Rescue, disk: DiskCalls) -> None:
    try:
        if disk.request_lease(found.descriptor, READ_LEASE):
            disk.release_lease(found.descriptor)
    except (BlockingIOError, PermissionError) as error:
        raise RescueKept(_OPEN.format(found.name)) from error


def _put_back(found: Rescue, note: BegunWrite, disk: DiskCalls) -> None:
    name = note.path.name
    if not disk.exchange(found.folder, found.name, name):
        raise RescueKept(_SAVED.format(found.name))
    out = disk.status_of(found.folder, found.name)
    if out is None or not _is_copy(out, note):
        # It was saved once more just now, which is newer.
        disk.exchange(found.folder, found.name, name)
        raise RescueKept(_SAVED.format(found.name))
    disk.sync_folder(found.folder)
