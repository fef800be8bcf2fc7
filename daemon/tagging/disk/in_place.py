"""Writing into the same inode, for files whose hard links or owner must stay.

No rename can help here, so there is a moment in which a power cut leaves the file half old and
half new. Before that moment a complete and verified copy lies on the medium under a name that
says which file it belongs to; clean-up at the next start puts it back.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from daemon.tagging.disk import temp_names
from daemon.tagging.disk.atomic_copy import (
    Changed,
    Copy,
    Landed,
    Unlike,
    forget,
    replace,
    verified_copy,
)
from daemon.tagging.formats.byte_views import OpenFile, common_length
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.tagging.disk.source import SourceFile
    from daemon.tagging.disk.syscalls import DiskCalls
    from daemon.tagging.formats.byte_views import Assembled


def overwrite(
    source: SourceFile,
    content: Assembled,
    complete: Callable[[Copy], None],
    disk: DiskCalls,
    *,
    keep_mtime: bool,
) -> Landed:
    """Write the edits into the original itself.

    Args:
        source: the original.
        content: the bytes of the copy, made of those of the original.
        complete: edits the copy further and proves it; raises to stop the write.
        disk: does the system calls.
        keep_mtime: keep the original's times.

    Raises:
        Changed: the original changed meanwhile and was left alone.
        Refused: the original's times cannot be kept, or the write broke off half-way; the reason
            then names the copy that is put back later.
        OSError: the system objected before the original was touched.
    """
    with verified_copy(source, content, complete, disk) as copy:
        disk.sync(copy.descriptor)
        target = disk.open_to_change(source.path)
        try:
            if not source.unchanged():
                raise Changed
            if keep_mtime:
                _demand_times(source, target, disk)
            _name_rescue(source, copy, disk)
            made = OpenFile(copy.descriptor)
            _reserve(source, made.size, target, disk)
            _write_back(source, made, copy, target, disk)
            if keep_mtime:
                disk.set_times(target, source.status.st_atime_ns, source.status.st_mtime_ns)
            return Landed(os.fstat(target))
        finally:
            os.close(target)


def replace_or_overwrite(
    source: SourceFile,
    content: Assembled,
    complete: Callable[[Copy], None],
    disk: DiskCalls,
    *,
    keep_mtime: bool,
) -> Landed:
    """Let a copy take the original's place, or where it would have another owner, write into it.

    Arguments and errors are those of `replace` and `overwrite`.
    """
    try:
        return replace(source, content, complete, disk, keep_mtime=keep_mtime)
    except Unlike:
        return overwrite(source, content, complete, disk, keep_mtime=keep_mtime)


def _demand_times(source: SourceFile, target: int, disk: DiskCalls) -> None:
    """Find out that another owner's times cannot be set while they need not be."""
    try:
        disk.set_times(target, source.status.st_atime_ns, source.status.st_mtime_ns)
    except PermissionError as error:
        raise TagsRefused(
            "its time cannot be kept by a user who does not own it; tags.keep_mtime = false, or "
            "run valenced as its owner"
        ) from error


def _refuse_half_written(source: SourceFile) -> None:
    """Leave a file alone whose writing had broken off and that clean-up has not put back yet.

    Written again, it would look as if somebody else had changed it since, and the copy that
    holds its whole sound would be given up.
    """
    with os.scandir(source.path.parent) as entries:
        for entry in entries:
            facts = temp_names.rescued(entry.name)
            if facts is not None and facts[0] == source.status.st_ino:
                raise _broken_off(entry.name)


def _broken_off(rescue: str) -> TagsRefused:
    return TagsRefused(
        f"writing in place broke off; {rescue} beside it holds the whole file and is "
        "put back at the next start",
        retry=True,
    )


def _name_rescue(source: SourceFile, copy: Copy, disk: DiskCalls) -> None:
    assert copy.path is not None
    _refuse_half_written(source)
    rescue = temp_names.rescue_of(copy.path, source.status.st_ino, source.status.st_size)
    try:
        disk.rename(copy.path, rescue)
    except BaseException:
        # The rename may have happened all the same.
        forget(rescue, copy.descriptor, disk)
        raise
    copy.path = rescue
    disk.sync_folder(rescue.parent)


def _reserve(source: SourceFile, size: int, target: int, disk: DiskCalls) -> None:
    """Find out that the disk is full while every byte of the original is still in its place."""
    if size <= source.view.size:
        return
    try:
        disk.reserve(target, size)
    except BaseException:
        with suppress(OSError):
            disk.cut(target, source.view.size)
        raise


def _write_back(
    source: SourceFile, made: OpenFile, copy: Copy, target: int, disk: DiskCalls
) -> None:
    start = common_length(source.view, 0, made, 0)
    try:
        _copy_back(copy.descriptor, target, start, made.size, disk)
    except BaseException as error:
        try:
            # Half-way is the worst place to stop at, so what was a passing fault gets one more go.
            _copy_back(copy.descriptor, target, start, made.size, disk)
        except BaseException as again:
            rescue, copy.path = copy.path, None
            assert rescue is not None
            raise _broken_off(rescue.name) from again
        if not isinstance(error, OSError):
            raise


def _copy_back(copy: int, target: int, start: int, end: int, disk: DiskCalls) -> None:
    disk.copy_range(copy, target, start, start, end - start)
    disk.cut(target, end)
    disk.sync(target)
