"""Writing into the same inode, for files whose hard links or owner must stay.

A kill or a power cut may leave such a file half old and half new. So before its first byte changes,
a complete and proven copy is on the disk as its rescue copy, and the catalogue says so. Clean-up at
the next start restores the file from it (`daemon.tagging.disk.recovery`).
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from daemon.tagging.basics.byte_views import common_length
from daemon.tagging.basics.tag_errors import TagsRefused
from daemon.tagging.disk import temp_names
from daemon.tagging.disk.atomic_copy import (
    Copy,
    CopyDiffers,
    FileWrite,
    FinishedWrite,
    note_of,
    replace,
    verified_copy,
)
from daemon.tagging.disk.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.tagging.disk.source import SourceFile
    from daemon.tagging.disk.syscalls import DiskCalls


def overwrite(write: FileWrite) -> FinishedWrite:
    """Write a proven copy's bytes into the original itself.

    Raises:
        OriginalChanged: it changed meanwhile and was left alone.
        TagsRefused: another program has it open, the original's times cannot be kept, or the write
            was interrupted; the reason then names the copy from which the file is restored later.
        OSError: the system refused before the original was touched.
    """
    source, disk, status = write.source, write.source.disk, write.source.status
    with Guard(source) as guard, verified_copy(write) as copy:
        disk.sync(copy.descriptor)
        guard.open_to_change()
        times = (status.st_atime_ns, status.st_mtime_ns)
        if write.keep_mtime:
            _demand_times(source, times)
        with _rescue_copy(write, copy):
            _write_back(source, copy)
            if write.keep_mtime:
                disk.set_times(source.descriptor, *times)
            return FinishedWrite(os.fstat(source.descriptor))


def replace_or_overwrite(write: FileWrite) -> FinishedWrite:
    """Replace the original, or where the copy would differ, write into it; errors are theirs."""
    try:
        return replace(write)
    except CopyDiffers:
        return overwrite(write)


def _demand_times(source: SourceFile, times: tuple[int, int]) -> None:
    """Find out that another owner's times cannot be set while they need not be."""
    try:
        source.disk.set_times(source.descriptor, *times)
    except PermissionError as error:
        reason = "its time cannot be kept by a user who does not own it"
        advice = "tags.keep_mtime = false, or run valenced as its owner"
        raise TagsRefused(f"{reason}; {advice}") from error


def _interrupted(rescue: str) -> TagsRefused:
    reason = f"writing in place was interrupted; it is restored from {rescue} at the next start"
    return TagsRefused(reason, retry=True)


@contextmanager
def _rescue_copy(write: FileWrite, copy: Copy) -> Iterator[None]:
    """Keep the copy as a rescue copy, which the catalogue knows of, during a block.

    Written again before it is restored, an interrupted file would look as if another program had
    changed it since. So that is refused.
    """
    assert copy.file.name is not None
    if write.begun is None:
        raise TagsRefused("without a catalogue nothing is written in place")
    rescue = temp_names.rescue_of(copy.file.name)
    earlier = write.begun.begin(note_of(write, copy, rescue))
    if earlier is not None:
        raise _interrupted(earlier)
    try:
        copy.file.rename_to_free(rescue)
        write.source.disk.sync_folder(copy.file.folder)
        yield
    finally:
        if not copy.file.is_kept:
            try:
                copy.file.discard()
            finally:
                if copy.file.is_gone:
                    write.begun.finish(rescue)


def _write_back(source: SourceFile, copy: Copy) -> None:
    size, target = copy.view.size, source.descriptor
    if size > source.view.size:
        _reserve(source, size)
    start = common_length(source.view, 0, copy.view, 0)
    try:
        copy_back(copy.descriptor, target, start, size, source.disk)
    except BaseException as error:
        try:
            # A file left half-way is the worst result, so a temporary fault gets one more attempt.
            copy_back(copy.descriptor, target, start, size, source.disk)
        except BaseException as again:
            copy.file.is_kept = True
            raise _interrupted(str(copy.file.name)) from again
        if not isinstance(error, OSError):
            raise


def _reserve(source: SourceFile, size: int) -> None:
    """Find out that the disk is full while every byte of the original is still in its place."""
    try:
        source.disk.reserve(source.descriptor, size)
    except BaseException:
        with suppress(OSError):
            source.disk.truncate(source.descriptor, source.view.size)
        raise


def copy_back(copy: int, target: int, start: int, end: int, disk: DiskCalls) -> None:
    """Copy the bytes from `start` to `end`, where the target then ends, and sync them."""
    disk.copy_range(copy, target, start, start, end - start)
    disk.truncate(target, end)
    disk.sync(target)
