"""The original of a write: opened once, checked for changes, and read by ffmpeg for the proof.

Its folder is opened, too, without following links, and everything is done in that folder. A folder
that is swapped for a link meanwhile leads nowhere.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.tagging.basics.byte_views import OpenFile
from daemon.tagging.basics.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from daemon.tagging.disk.syscalls import DiskCalls


class OriginalChanged(Exception):
    """Another program has changed the original, or is about to; it was left as it is now."""


@dataclass(frozen=True)
class SourceFile:
    """A regular file held open.

    Attributes:
        path: without symbolic links.
        folder: handle of the folder that holds it.
        descriptor: open for reading.
        status: when it was opened.
        view: its bytes.
        disk: does the system calls.
    """

    path: Path
    folder: int
    descriptor: int
    status: os.stat_result
    view: OpenFile
    disk: DiskCalls

    def unchanged(self) -> bool:
        """Tell whether neither the file nor what its path leads to has changed since opening."""
        try:
            folder = self.disk.open_folder(self.path.parent)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            there = self.disk.status_of(folder, self.path.name)
        finally:
            os.close(folder)
        now = os.fstat(self.descriptor)
        return there is not None and _same(self.status, now) and _same(self.status, there)

    def has_become(self, name: str) -> bool:
        """Tell whether the file has another name in its folder now and is unchanged otherwise."""
        there = self.disk.status_of(self.folder, name)
        return there is not None and _same(self.status, there, _UNTOUCHED_BY_RENAME)


@contextmanager
def opened(path: Path, disk: DiskCalls) -> Iterator[SourceFile]:
    """Hold a file open for reading; no part of its path may be a symbolic link.

    Raises:
        TagsRefused: not a regular file.
        OSError: it cannot be opened, or a link is in the way.
    """
    folder = disk.open_folder(path.parent)
    try:
        descriptor = disk.open_to_read(folder, path.name)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise TagsRefused("it is not a regular file")
            yield SourceFile(path, folder, descriptor, status, OpenFile(descriptor), disk)
        finally:
            os.close(descriptor)
    finally:
        os.close(folder)


def refuse_read_only(source: SourceFile) -> None:
    """Refuse a file that this user may not write, although its folder would let us replace it.

    Raises:
        TagsRefused: this user may not write the file.
        OSError: nobody may, as its file system is read-only.
    """
    if os.fstatvfs(source.descriptor).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    # The path could lead to another file by now.
    if os.access(f"/proc/self/fd/{source.descriptor}", os.W_OK, effective_ids=True):
        return
    owner_may = source.status.st_mode & stat.S_IWUSR
    if source.status.st_uid != os.geteuid() and owner_may:
        raise TagsRefused(
            "another user owns it and this one may only read it; let a group of both write to it"
            " (chmod g+w), or set tags.mode = sidecar"
        )
    raise TagsRefused("the file is read-only; kept in the catalogue only")


_UNTOUCHED_BY_RENAME = (
    *("st_dev", "st_ino", "st_size", "st_mtime_ns"),
    *("st_nlink", "st_mode", "st_uid", "st_gid"),
)
# The change time also changes with owner, attributes and links, and by a rename.
_UNTOUCHED = (*_UNTOUCHED_BY_RENAME, "st_ctime_ns")


def _same(one: os.stat_result, other: os.stat_result, names: Sequence[str] = _UNTOUCHED) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in names)
