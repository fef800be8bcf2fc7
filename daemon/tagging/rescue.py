"""Restores a file whose writing in place was interrupted from its rescue copy.

The rescue copy is used only if it is the very file that the catalogue names, and the file only
overwritten if each of its pages is as the interrupted write found or left it. The rescue copy is
given up only once the file has all of its sound.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from daemon.tagging.basics.byte_views import Assembled, OpenFile, common_length
from daemon.tagging.disk.in_place import copy_back
from daemon.tagging.disk.leases import WRITE_LEASE
from daemon.tagging.disk.temp_names import is_rescue
from daemon.tagging.undo_record import from_text
from storage.schema.records import BegunWrite
from trainer.audio.sound_file import SoundFile
from trainer.trainer_errors import ClipError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.tagging.basics.byte_views import View
    from daemon.tagging.disk.syscalls import DiskCalls

    AudioHash = Callable[[SoundFile], str | None]

_PAGE: Final = 4096
_BEGUN: Final = "writing it in place was interrupted"
_BESIDE: Final = "{} beside it is a complete copy"
_ADVICE: Final = "give the copy the name of the file, or delete the copy"
AWAY: Final = f"{_BEGUN}, and its folder is away; {{}} in it is a complete copy"
_GONE: Final = f"{_BEGUN}, and it is gone since; {_BESIDE}: {_ADVICE}"
_CHANGED: Final = (
    f"{_BEGUN}, and its sound is not that of before; {_BESIDE}: compare them, and {_ADVICE}"
)
_NOT_NOW: Final = f"{_BEGUN}; {_BESIDE}; to restore it, restart the service, as now it {{}}"
_NOT_YET: Final = f"{_BEGUN}; it is restored from {{}} beside it when the service starts"
ANOTHER: Final = (
    f"{_BEGUN}, and {{}} beside it is not the very copy that was made then: compare them, and"
    f" {_ADVICE}"
)
_OLD: Final = (
    "left by an earlier release, whose writing in place was interrupted: a complete copy of a sound"
    " in this folder; if that sound is damaged, give the copy its name, else delete the copy"
)


class RescueKept(Exception):
    """The rescue copy stays.

    Args:
        reason: in one line, with what to do.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Rescue:
    """What looks like a rescue copy.

    Attributes:
        path: of its folder.
        folder: handle of it.
        name: of the copy.
        descriptor: of the copy, open for reading.
    """

    path: Path
    folder: int
    name: str
    descriptor: int


def problem_with(note: BegunWrite, *, is_running: bool) -> str | None:
    """Return what a user should know of a begun write, in one line; None if nothing.

    Args:
        note: the write.
        is_running: whether the service runs, which may be writing just now.
    """
    if note.trouble is None and (is_running or not is_rescue(note.rescue)):
        return None
    rescue = note.rescue_path
    if os.path.lexists(rescue.parent) and not os.path.lexists(rescue):
        # Somebody has taken it away or deleted it; clean-up forgets it at the next start.
        return None
    return f"{note.path}: {note.trouble or _NOT_YET.format(note.rescue)}"


def left_by_earlier_release(rescue: Rescue) -> BegunWrite:
    """Return what is known of a rescue copy that the catalogue does not know."""
    status, path = os.fstat(rescue.descriptor), rescue.path / rescue.name
    known = (status.st_dev, 0, status.st_ino, status.st_size, status.st_uid)
    return BegunWrite(rescue.name, path, *known, audio_hash="", trouble=_OLD)


def is_noted(rescue: Rescue, note: BegunWrite) -> bool:
    """Tell whether a rescue copy is the very file that the catalogue knows."""
    made = os.fstat(rescue.descriptor)
    noted = (note.rescue_inode, note.rescue_size, note.owner, 1)
    return (made.st_ino, made.st_size, made.st_uid, made.st_nlink) == noted


def restored(rescue: Rescue, note: BegunWrite, audio_hash: AudioHash, disk: DiskCalls) -> str:
    """Restore a file from its rescue copy if it needs that.

    Returns:
        What was done; the rescue copy can be removed.

    Raises:
        RescueKept: it cannot, as the file does not have all of its sound.
        OSError: the system refused.
    """
    if not _has_sound(SoundFile(note.path, rescue.descriptor), note, audio_hash):
        raise RescueKept(ANOTHER.format(rescue.name))
    there = disk.status_of(rescue.folder, note.path.name)
    if there is None:
        raise RescueKept(_GONE.format(rescue.name))
    device = os.fstat(rescue.descriptor).st_dev
    outcome = f"removed: {note.path.name} has all of its sound"
    # Numbers of devices may change with every start of the system.
    if (there.st_dev, there.st_ino) == (device, note.inode) and _restore(rescue, note, disk):
        outcome = f"restored {note.path.name} from it, whose writing was interrupted"
    if not _has_all_sound(rescue, note, audio_hash, disk):
        raise RescueKept(_CHANGED.format(rescue.name))
    return outcome


def _has_all_sound(
    rescue: Rescue, note: BegunWrite, audio_hash: AudioHash, disk: DiskCalls
) -> bool:
    descriptor = disk.open_to_read(rescue.folder, note.path.name)
    try:
        return _has_sound(SoundFile(note.path, descriptor), note, audio_hash)
    finally:
        os.close(descriptor)


def _has_sound(file: SoundFile, note: BegunWrite, audio_hash: AudioHash) -> bool:
    try:
        return audio_hash(file) == note.audio_hash
    except ClipError:
        return False


def _restore(rescue: Rescue, note: BegunWrite, disk: DiskCalls) -> bool:
    """Write a file's rescue copy into it, if nobody else has written it; return whether so."""
    try:
        target = disk.open_to_change(rescue.folder, note.path.name)
    except OSError as error:
        refused = f"cannot be written ({error.strerror})"
        raise RescueKept(_NOT_NOW.format(rescue.name, refused)) from error
    try:
        status = os.fstat(target)
        if (status.st_dev, status.st_ino) != (os.fstat(rescue.descriptor).st_dev, note.inode):
            return False
        _require_alone(rescue, target, disk)
        found, new = OpenFile(target), OpenFile(rescue.descriptor)
        if not _is_ours(found, new, note.way_back):
            return False
        copy_back(rescue.descriptor, target, 0, new.size, disk)
        return True
    finally:
        disk.release_lease(target)
        os.close(target)


def _require_alone(rescue: Rescue, target: int, disk: DiskCalls) -> None:
    try:
        disk.request_lease(target, WRITE_LEASE)
    except (BlockingIOError, PermissionError) as error:
        raise RescueKept(_NOT_NOW.format(rescue.name, "may be open in another program")) from error


def _is_ours(found: View, new: View, way_back: str | None) -> bool:
    """Tell whether each page of a file is as in the rescue copy, or as before the write."""
    if way_back is None:
        return False
    old = Assembled(new, from_text(way_back, new.size))
    if found.size not in {old.size, new.size, max(old.size, new.size)}:
        return False
    for at in range(0, found.size, _PAGE):
        page = found.read(at, _PAGE)
        before = old.read(at, len(page)).ljust(len(page), b"\0")
        after = new.read(at, len(page))
        if page in (before, after):
            continue
        # Where the write ended it is new up to some byte.
        done = common_length(found, at, new, at)
        if page[done:] != before[done:]:
            return False
    return True
