"""Every system call by which tag writing changes a disk, in one place.

Nothing else in this package creates, writes, renames or removes a file, so tests can make any call
fail. Files are named by an open folder and a name in it. No call follows a symbolic link, so what
was checked once cannot be swapped for a link to elsewhere.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from typing import TYPE_CHECKING, Final

from daemon.tagging.disk.leases import release_lease, request_lease

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FICLONE = 0x40049409
_RENAME_NOREPLACE, _RENAME_EXCHANGE = 1, 2
_NO_RENAME_FLAGS = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}
_CHUNK = 1 << 20
_NO_RANGE_COPY = {
    getattr(errno, name) for name in ("EXDEV", "EINVAL", "ENOSYS", "EOPNOTSUPP", "EPERM", "EBADF")
}
_NO_CLONE = _NO_RANGE_COPY | {errno.ENOTTY, errno.EISDIR, errno.ETXTBSY}


class DiskCalls:
    """The real disk. Methods raise OSError as the system does."""

    def open_folder(self, path: Path) -> int:
        """Open a folder, as a handle for the other calls; no part of its path may be a link."""
        handle = os.open(path.anchor, _FOLDER)
        for part in path.parts[1:]:
            try:
                below = os.open(part, _FOLDER, dir_fd=handle)
            finally:
                os.close(handle)
            handle = below
        return handle

    def names_in(self, folder: int) -> list[str]:
        """Return the names in a folder."""
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
        try:
            return os.listdir(descriptor)  # noqa: PTH208 - a descriptor has no path
        finally:
            os.close(descriptor)

    def status_of(self, folder: int, name: str) -> os.stat_result | None:
        """Return the status of what has a name in a folder, None if nothing has."""
        try:
            return os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def open_to_read(self, folder: int, name: str) -> int:
        """Open a file that must not be a link, without waiting for a pipe's other end."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(name, flags, dir_fd=folder)

    def open_to_change(self, folder: int, name: str) -> int:
        """Open an existing file for writing in place; BlockingIOError if its lease is taken."""
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(name, flags, dir_fd=folder)

    def create(self, folder: int, name: str) -> int:
        """Create a file that only this user may read."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, 0o600, dir_fd=folder)

    def request_lease(self, descriptor: int, kind: int) -> bool:
        """Ask for a lease; False where there are none. Raises as `leases.request_lease`."""
        return request_lease(descriptor, kind)

    def holds_lease(self, descriptor: int, kind: int) -> bool:
        """Tell whether a lease that was granted is still held, and nobody waits for its end."""
        return fcntl.fcntl(descriptor, fcntl.F_GETLEASE) == kind

    def release_lease(self, descriptor: int) -> None:
        """Give a lease back; a program that waits for the file continues."""
        release_lease(descriptor)

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

    def exchange(self, folder: int, one: str, other: str) -> bool:
        """Let two files change names in one step; False where the file system cannot."""
        return _renamed(folder, one, other, _RENAME_EXCHANGE)

    def rename_to_free(self, folder: int, name: str, free: str) -> None:
        """Rename a file to a name that must be free; raises FileExistsError if it is not."""
        if not _renamed(folder, name, free, _RENAME_NOREPLACE):
            if self.status_of(folder, free) is not None:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            self.rename(folder, name, free)

    def rename(self, folder: int, name: str, taken: str) -> None:
        """Rename a file to the name of another, which it replaces."""
        os.rename(name, taken, src_dir_fd=folder, dst_dir_fd=folder)

    def remove(self, folder: int, name: str) -> None:
        """Remove a file."""
        os.unlink(name, dir_fd=folder)

    def sync_folder(self, folder: int) -> None:
        """Wait until the folder's entries are on the medium, where the file system has that."""
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
        finally:
            os.close(descriptor)


def _renamed(folder: int, name: str, new: str, flag: int) -> bool:
    """Call renameat2(2), for which Python has no function; False where there is no such flag."""
    call = getattr(_LIBC, "renameat2", None)
    if call is None:
        return False
    if call(folder, os.fsencode(name), folder, os.fsencode(new), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_RENAME_FLAGS:
        return False
    raise OSError(number, os.strerror(number))


_LIBC: Final = ctypes.CDLL(None, use_errno=True)
DISK = DiskCalls()
