"""Clean-up after interrupted writes: temporary files removed, files written in place restored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.disk import temp_names
from daemon.tagging.disk.in_place import copy_back
from daemon.tagging.disk.source import opened
from daemon.tagging.disk.syscalls import DISK, DiskCalls
from daemon.tagging.formats import keys
from daemon.tagging.formats.detect import container_of
from daemon.tagging.formats.tag_errors import TagsRefused, damage_refused
from trainer.trainer_errors import ClipError

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.tagging.disk.source import Reader


class RecoveredFile(NamedTuple):
    """One temporary file that was found.

    Attributes:
        path: of the temporary file.
        outcome: what was done with it, for the log.
    """

    path: Path
    outcome: str


def clean_up(
    folder: Path, *, reader: Reader | None = None, disk: DiskCalls = DISK
) -> list[RecoveredFile]:
    """Remove our temporary files in one folder (not below it) that no running write uses.

    With a reader, which hashes a file's audio, a file that was being written in place and whose
    tags or audio are damaged is restored from its rescue copy. Without one, rescue copies stay.

    Raises:
        OSError: the folder cannot be read.
    """
    with os.scandir(folder) as entries:
        found = [folder / entry.name for entry in entries if temp_names.is_temporary(entry.name)]
    cleaned = []
    for path in sorted(found):
        try:
            outcome = _cleaned(path, reader, disk)
        except OSError as error:
            outcome = f"could not be cleaned up: {error.strerror}"
        if outcome:
            cleaned.append(RecoveredFile(path, outcome))
    return cleaned


def _cleaned(path: Path, reader: Reader | None, disk: DiskCalls) -> str | None:
    descriptor = disk.open_to_change(path)
    try:
        if not disk.try_lock(descriptor):
            return None
        rescued = temp_names.rescued(path.name)
        if rescued is not None:
            if reader is None:
                return "kept: the complete copy of a file that was being written in place"
            inode, size = rescued
            original = _with_inode(path.parent, inode)
            if original is not None and _is_damaged(original, path, size, reader):
                target = disk.open_to_change(original)
                try:
                    copy_back(descriptor, target, 0, os.fstat(descriptor).st_size, disk)
                finally:
                    os.close(target)
                disk.remove(path)
                return f"restored {original.name} from it, whose writing was interrupted"
        disk.remove(path)
    finally:
        os.close(descriptor)
    return "removed"


def _with_inode(folder: Path, inode: int) -> Path | None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.inode() == inode and entry.is_file(follow_symlinks=False):
                return folder / entry.name
    return None


def _is_damaged(original: Path, rescue: Path, size_before: int, reader: Reader) -> bool:
    # Another size means that another program has written the file since.
    if original.stat().st_size not in (size_before, rescue.stat().st_size):
        return False
    try:
        with opened(original, DISK) as source, damage_refused():
            container_of(source.view).items(source.view, keys.ALL_KEYS)
        return reader(original).audio_hash != reader(rescue).audio_hash
    except (ClipError, TagsRefused):
        return True
