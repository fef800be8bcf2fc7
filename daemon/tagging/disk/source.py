"""The original of a write: opened once, checked for changes, and read by ffmpeg for the proof."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from daemon.tagging.formats.byte_views import OpenFile
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from daemon.tagging.disk.syscalls import DiskCalls


class FileReading(NamedTuple):
    """What an independent library reads of a file.

    Attributes:
        audio_hash: of all audio packets; None if not requested.
        metadata: each value as its place in the file, its key and its digest; None if the file
            cannot be read with its tags.
    """

    audio_hash: str | None
    metadata: Sequence[tuple[str, ...]] | None


class Reader(Protocol):
    """Reads a file by ffmpeg, outside this process."""

    def __call__(self, path: Path, /, *, hashed: bool = True) -> FileReading:
        """Read metadata and, if `hashed`, hash the audio packets; raises ClipError."""


@dataclass(frozen=True)
class SourceFile:
    """A regular file held open.

    Attributes:
        path: without symbolic links.
        descriptor: open for reading.
        status: when it was opened.
        view: its bytes.
        disk: does the system calls.
    """

    path: Path
    descriptor: int
    status: os.stat_result
    view: OpenFile
    disk: DiskCalls

    def unchanged(self) -> bool:
        """Tell whether neither the file nor what its path leads to has changed since opening."""
        try:
            there = os.stat(self.path, follow_symlinks=False)  # noqa: PTH116 - same fields as fstat
        except FileNotFoundError:
            return False
        return _same(self.status, os.fstat(self.descriptor)) and _same(self.status, there)


@contextmanager
def opened(path: Path, disk: DiskCalls) -> Iterator[SourceFile]:
    """Hold the file that a path, perhaps a link, leads to open for reading.

    Raises:
        TagsRefused: not a regular file.
        OSError: it cannot be opened.
    """
    real = Path(os.path.realpath(path, strict=True))
    descriptor = disk.open_to_read(real)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise TagsRefused("it is not a regular file")
        yield SourceFile(real, descriptor, status, OpenFile(descriptor), disk)
    finally:
        os.close(descriptor)


def refuse_read_only(source: SourceFile) -> None:
    """Refuse a file that this user may not write, although its folder would let us replace it.

    Raises:
        TagsRefused: this user may not write the file.
        OSError: nobody may, as its file system is read-only.
    """
    if os.fstatvfs(source.descriptor).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    if os.access(source.path, os.W_OK, effective_ids=True):
        return
    owner_may = source.status.st_mode & stat.S_IWUSR
    if source.status.st_uid != os.geteuid() and owner_may:
        raise TagsRefused(
            "another user owns it and this one may only read it; let a group of both write to it"
            " (chmod g+w), or set tags.mode = sidecar"
        )
    raise TagsRefused("the file is read-only; kept in the catalogue only")


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    # The change time also changes with owner, attributes and links.
    names = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns", "st_nlink")
    return all(getattr(one, name) == getattr(other, name) for name in names)
