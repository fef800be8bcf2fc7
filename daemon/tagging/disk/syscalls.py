"""Every system call by which tag writing changes a disk, in one place.

Nothing else in this package creates, writes, renames or removes a file, so tests can make any call
fail.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_FICLONE = 0x40049409
_CHUNK = 1 << 20
_NO_RANGE_COPY = {
    getattr(errno, name) for name in ("EXDEV", "EINVAL", "ENOSYS", "EOPNOTSUPP", "EPERM", "EBADF")
}
_NO_CLONE = _NO_RANGE_COPY | {errno.ENOTTY, errno.EISDIR, errno.ETXTBSY}


class DiskCalls:
    """The real disk. Methods raise OSError as the system does."""

    def open_to_read(self, path: Path) -> int:
        """Open a file that must not be a link, without waiting for a pipe's other end."""
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)

    def open_to_change(self, path: Path) -> int:
        """Open an existing file for writing in place."""
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)

    def create(self, path: Path) -> int:
        """Create a file that only this user may read."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(path, flags, 0o600)

    def try_lock(self, descriptor: int) -> bool:
        """Lock a file against our other processes; False if one of them holds it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # Some network file systems have no locks; there the names must do.
            return True
        return True

    def clone(self, source: int, target: int) -> bool:
        """Share the source's blocks with the target where the file system can."""
        try:
            fcntl.ioctl(target, _FICLONE, source)
        except OSError as error:
            if error.errno in _NO_CLONE:
                return False
            raise
        return True

    def copy_range(self, source: int, target: int, start: int, at: int, length: int) -> None:
        """Copy bytes from `start` of one file to `at` of another, within the kernel if it can."""
        while length > 0:
            try:
                count = os.copy_file_range(source, target, min(length, 1 << 30), start, at)
            except OSError as error:
                if error.errno not in _NO_RANGE_COPY:
                    raise
                count = 0
            if not count:
                # Also some kernels copy nothing where pread still finds bytes.
                part = os.pread(source, min(length, _CHUNK), start)
                if not part:
                    raise OSError(errno.EIO, "the file became shorter while it was copied")
                self.write(target, part, at)
                count = len(part)
            start, at, length = start + count, at + count, length - count

    def write(self, descriptor: int, content: bytes, at: int) -> None:
        """Write all bytes at an offset."""
        rest = memoryview(content)
        while rest:
            count = os.pwrite(descriptor, rest, at)
            rest, at = rest[count:], at + count

    def reserve(self, descriptor: int, length: int) -> None:
        """Make sure the file can hold `length` bytes, before any of its bytes change."""
        os.posix_fallocate(descriptor, 0, length)

    def truncate(self, descriptor: int, length: int) -> None:
        """Set the file's length in bytes."""
        os.ftruncate(descriptor, length)

    def set_owner(self, descriptor: int, owner: int, group: int) -> None:
        """Set owner and group."""
        os.fchown(descriptor, owner, group)

    def set_mode(self, descriptor: int, mode: int) -> None:
        """Set the permission bits."""
        os.fchmod(descriptor, mode)

    def attributes(self, descriptor: int) -> dict[str, bytes]:
        """Return every extended attribute, ACLs included; none where there are no such things."""
        try:
            return {name: os.getxattr(descriptor, name) for name in os.listxattr(descriptor)}
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                return {}
            raise

    def set_attribute(self, descriptor: int, name: str, value: bytes) -> None:
        """Set one extended attribute."""
        os.setxattr(descriptor, name, value)

    def set_times(self, descriptor: int, accessed_ns: int, modified_ns: int) -> None:
        """Set access and modification time in nanoseconds."""
        os.utime(descriptor, ns=(accessed_ns, modified_ns))

    def sync(self, descriptor: int) -> None:
        """Wait until the file is on the medium."""
        os.fsync(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Rename a file to the name of another, which it replaces."""
        source.rename(target)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()

    def sync_folder(self, folder: Path) -> None:
        """Wait until the folder's entries are on the medium, where the file system has that."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
        finally:
            os.close(descriptor)


DISK = DiskCalls()
