"""Sound files as open descriptors: what is read is what was opened, wherever its name leads later.

A process that may open nothing can still read a file that another has opened for it.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from trainer.trainer_errors import NEEDS_MEMORY, UnreadableClip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FORBIDDEN: Final = "permission denied"
_NOT_REGULAR: Final = "is not a regular file"

_REASONS: Final = {
    errno.ENOENT: "no such file",
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENOMEM: NEEDS_MEMORY,
    errno.ELOOP: "is a symbolic link, or lies behind too many",
    # A socket, or a device without hardware.
    errno.ENXIO: _NOT_REGULAR,
    errno.EAGAIN: "another program has reserved it",
}

_LARGEST_READ: Final = 2**20


class Extent(NamedTuple):
    """The bytes of a file between its outer tags, from offset `start` to before `end`."""

    start: int
    end: int


@dataclass(frozen=True)
class SoundFile:
    """A regular file that is open for reading.

    Attributes:
        path: its name tells some kinds of sound apart; nothing is opened by it.
        descriptor: open for reading; its position is neither used nor moved.
    """

    path: Path
    descriptor: int


@contextmanager
def opened(source: Path | SoundFile, *, follow_links: bool = True) -> Iterator[SoundFile]:
    """Hold a file open for reading, if it is not open already.

    Args:
        source: a file, or its path.
        follow_links: whether its path may be a symbolic link.

    Raises:
        UnreadableClip: it is absent, forbidden, empty, or not a regular file.
    """
    if isinstance(source, SoundFile):
        yield source
        return
    # Opening a pipe for reading would wait for a writer.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow_links else os.O_NOFOLLOW)
    try:
        descriptor = os.open(source, flags)
    except OSError as error:
        raise UnreadableClip(source, system_reason(error)) from error
    try:
        _require_regular(source, os.fstat(descriptor))
        yield SoundFile(source, descriptor)
    finally:
        os.close(descriptor)


def system_reason(error: OSError) -> str:
    """Return why a file cannot be opened or read, in one line without the path."""
    number = error.errno or 0
    return _REASONS.get(number, f"the disk or share cannot deliver it: {os.strerror(number)}")


def _require_regular(path: Path, status: os.stat_result) -> None:
    # A pipe or a device would block or never end.
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableClip(path, "is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableClip(path, _NOT_REGULAR)
    if status.st_size == 0:
        raise UnreadableClip(path, "is empty")


class FileView:
    """A file, or a part of it, as PyAV reads it: with a position of its own.

    Args:
        file: is read; must stay open.
        within: the only bytes of it that can be read; None for all.

    Attributes:
        name: without the folder.
    """

    def __init__(self, file: SoundFile, within: Extent | None = None) -> None:
        self.name = file.path.name
        self._descriptor = file.descriptor
        self._within = within
        self._at = 0

    def read(self, length: int) -> bytes:
        """Return at most so many bytes, none at the end; raises OSError."""
        # What a header claims must not be allocated at once.
        length = min(length, _LARGEST_READ)
        if self._within is None:
            found = os.pread(self._descriptor, length, self._at)
        else:
            length = max(0, min(length, self.size - self._at))
            found = os.pread(self._descriptor, length, self._within.start + self._at)
        self._at += len(found)
        return found

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move, and return the position; for one that cannot be, a negative number as ffmpeg does.

        PyAV would raise an exception at its next call, which may have nothing to do with this.
        """
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at}.get(whence)
        position = offset + (self.size if origin is None else origin)
        if position < 0:
            return -errno.EINVAL
        self._at = position
        return position

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def pieces(self, extent: Extent) -> Iterator[bytes]:
        """Yield the bytes of an extent in order, as far as there are any; raises OSError."""
        self._at = extent.start
        while piece := self.read(extent.end - self._at):
            yield piece

    @property
    def size(self) -> int:
        """How many bytes can be read."""
        if self._within is None:
            return os.fstat(self._descriptor).st_size
        return self._within.end - self._within.start
