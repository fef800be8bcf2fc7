"""Steps in a folder into which others may write, each through an open directory.

A path is looked up again by every system call, so another user can exchange a folder or a file on
the way for a link between two of them. A name in an open directory cannot lead elsewhere.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

_ON_THE_WAY: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READABLE: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: a named pipe put in place of a file must not hang the service.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS: Final = 40


class FolderHandle:
    """An open directory, to be closed, or used as a context manager.

    Names are plain names in it; a link by such a name is never followed.

    Attributes:
        path: where it was opened, for messages only.
        descriptor: of the directory, for `dir_fd`.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the directory."""
        os.close(self.descriptor)

    def names(self) -> list[str]:
        """Return the names of what is in it, sorted."""
        return sorted(os.listdir(self.descriptor))  # noqa: PTH208 - a path would be looked up

    def status(self, name: str) -> os.stat_result:
        """Return the status of an entry, of a link its own."""
        return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)

    def subfolder(self, name: str, *, create: bool = False) -> FolderHandle:
        """Open a folder in this one; with `create`, make it for this user alone if it is absent."""
        if create:
            _make(name, self.descriptor)
        descriptor = os.open(name, _READABLE, dir_fd=self.descriptor)
        return FolderHandle(self.path / name, descriptor)

    def open_file(self, name: str) -> BinaryIO:
        """Open a regular file for reading.

        Raises:
            OSError: it cannot be opened, or is no regular file.
        """
        descriptor = os.open(name, _FILE, dir_fd=self.descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a regular file", name)
        return os.fdopen(descriptor, "rb")

    def write_new(self, name: str, content: bytes = b"") -> str:
        """Write a file for this user alone under a name, or the next free one, and return it."""
        for free in _numbered(name):
            try:
                descriptor = os.open(free, _NEW_FILE, 0o600, dir_fd=self.descriptor)
            except FileExistsError:
                continue
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
            return free
        raise AssertionError("there is always a next number")

    def move(self, name: str, into: FolderHandle, new_name: str) -> None:
        """Move an entry, over whatever has the new name."""
        os.rename(name, new_name, src_dir_fd=self.descriptor, dst_dir_fd=into.descriptor)

    def remove(self, name: str) -> None:
        """Remove a file or link."""
        os.unlink(name, dir_fd=self.descriptor)


def open_folder(path: Path, *, create: bool = False) -> FolderHandle:
    """Open a folder one component after the other, from the root on.

    A link on the way is followed only if root or this user made it: others could point it to any
    place at any time.

    Args:
        path: absolute.
        create: make what is absent, for this user alone.

    Raises:
        OSError: it cannot be opened or made; or there is a link of another user.
    """
    left = list(reversed(path.parts))
    handle, links = os.open("/", _ON_THE_WAY), 0
    try:
        while left:
            part = left.pop()
            try:
                inner = _opened(part, handle, create=create)
            except NotADirectoryError:
                links += 1
                left.extend(reversed(_target(part, handle, links).parts))
                continue
            os.close(handle)
            handle = inner
        return FolderHandle(path, os.open(".", _READABLE, dir_fd=handle))
    finally:
        os.close(handle)


def _opened(part: str, handle: int, *, create: bool) -> int:
    try:
        return os.open(part, _ON_THE_WAY, dir_fd=handle)
    except FileNotFoundError:
        if not create:
            raise
    _make(part, handle)
    return os.open(part, _ON_THE_WAY, dir_fd=handle)


def _make(name: str, handle: int) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=handle)
    except FileExistsError:
        return


def _target(part: str, handle: int, links: int) -> Path:
    """Return where a link leads to, as it is in the opened link itself."""
    link = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handle)
    try:
        status = os.fstat(link)
        if not stat.S_ISLNK(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, f"{part} is not a folder")
        if status.st_uid not in {0, os.geteuid()}:
            raise PermissionError(errno.EPERM, f"{part} is a link of another user")
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, "too many links")
        return Path(os.readlink("", dir_fd=link))
    finally:
        os.close(link)


def _numbered(name: str) -> Iterator[str]:
    """Yield a name, then the same with a number before its suffix."""
    yield name
    stem, dot, suffix = name.rpartition(".")
    number = 1
    while True:
        number += 1
        yield f"{stem}.{number}{dot}{suffix}" if stem else f"{name}.{number}"
