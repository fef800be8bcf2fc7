"""Writing into the same inode, for files whose hard links or owner must stay.

A power cut may leave such a file half old and half new. So before its first byte changes, a
complete and proven copy is on the disk, under a name that tells which file it belongs to, and
clean-up at the next start restores the file from it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from daemon.tagging.disk import temp_names
from daemon.tagging.disk.atomic_copy import (
    Copy,
    CopyDiffers,
    FileWrite,
    FinishedWrite,
    OriginalChanged,
    remove_temporary,
    replace,
    verified_copy,
)
from daemon.tagging.formats.byte_views import common_length
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from daemon.tagging.disk.source import SourceFile
    from daemon.tagging.disk.syscalls import DiskCalls


def overwrite(write: FileWrite) -> FinishedWrite:
    """Write a proven copy's bytes into the original itself.

    Raises:
        OriginalChanged: it changed meanwhile and was left alone.
        TagsRefused: the original's times cannot be kept, or the write was interrupted; the reason
            then names the copy from which the file is restored later.
        OSError: the system refused before the original was touched.
    """
    source, disk, status = write.source, write.source.disk, write.source.status
    with verified_copy(write) as copy:
        disk.sync(copy.descriptor)
        target = disk.open_to_change(source.path)
        try:
            if not source.unchanged():
                raise OriginalChanged
            if write.keep_mtime:
                _demand_times(source, target)
            _rename_to_rescue(source, copy)
            _write_back(source, copy, target)
            if write.keep_mtime:
                disk.set_times(target, status.st_atime_ns, status.st_mtime_ns)
            return FinishedWrite(os.fstat(target))
        finally:
            os.close(target)


def replace_or_overwrite(write: FileWrite) -> FinishedWrite:
    """Replace the original, or where the copy would differ, write into it; errors are theirs."""
    try:
        return replace(write)
    except CopyDiffers:
        return overwrite(write)


def _demand_times(source: SourceFile, target: int) -> None:
    """Find out that another owner's times cannot be set while they need not be."""
    try:
        source.disk.set_times(target, source.status.st_atime_ns, source.status.st_mtime_ns)
    except PermissionError as error:
        reason = "its time cannot be kept by a user who does not own it"
        advice = "tags.keep_mtime = false, or run valenced as its owner"
        raise TagsRefused(f"{reason}; {advice}") from error


def _refuse_half_written(source: SourceFile) -> None:
    """Refuse a file whose last write was interrupted and that is not restored yet.

    Written again, it would look as if another program had changed it since, and the copy that
    holds all of its sound would be dropped.
    """
    with os.scandir(source.path.parent) as entries:
        for entry in entries:
            rescued = temp_names.rescued(entry.name)
            if rescued is not None and rescued[0] == source.status.st_ino:
                raise _interrupted(entry.name)


def _interrupted(rescue: str) -> TagsRefused:
    reason = f"writing in place was interrupted; it is restored from {rescue} at the next start"
    return TagsRefused(reason, retry=True)


def _rename_to_rescue(source: SourceFile, copy: Copy) -> None:
    disk = source.disk
    assert copy.path is not None
    _refuse_half_written(source)
    rescue = temp_names.rescue_of(copy.path, source.status.st_ino, source.status.st_size)
    try:
        disk.rename(copy.path, rescue)
    except BaseException:
        # The rename may have happened all the same.
        remove_temporary(rescue, copy.descriptor, disk)
        raise
    copy.path = rescue
    disk.sync_folder(rescue.parent)


def _write_back(source: SourceFile, copy: Copy, target: int) -> None:
    size = copy.view.size
    if size > source.view.size:
        _reserve(source, size, target)
    start = common_length(source.view, 0, copy.view, 0)
    try:
        copy_back(copy.descriptor, target, start, size, source.disk)
    except BaseException as error:
        try:
            # A file left half-way is the worst result, so a temporary fault gets one more attempt.
            copy_back(copy.descriptor, target, start, size, source.disk)
        except BaseException as again:
            rescue, copy.path = copy.path, None
            assert rescue is not None
            raise _interrupted(rescue.name) from again
        if not isinstance(error, OSError):
            raise


def _reserve(source: SourceFile, size: int, target: int) -> None:
    """Find out that the disk is full while every byte of the original is still in its place."""
    try:
        source.disk.reserve(target, size)
    except BaseException:
        with suppress(OSError):
            source.disk.truncate(target, source.view.size)
        raise


def copy_back(copy: int, target: int, start: int, end: int, disk: DiskCalls) -> None:
    """Copy the bytes from `start` to `end`, where the target then ends, and sync them."""
    disk.copy_range(copy, target, start, start, end - start)
    disk.truncate(target, end)
    disk.sync(target)
