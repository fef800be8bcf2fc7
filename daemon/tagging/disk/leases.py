"""Leases: the kernel's word that no other program has a file open for writing, or at all.

The kernel grants a read lease only if nobody has the file open for writing, and a write lease only
if nobody else has it open. A program that opens it against a lease waits until the lease is given
back, or for /proc/sys/fs/lease-break-time (45 s), and the lease tells that one waits (fcntl(2)).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import signal
from contextlib import suppress
from typing import Final

READ_LEASE: Final = fcntl.F_RDLCK
WRITE_LEASE: Final = fcntl.F_WRLCK
NO_LEASE: Final = fcntl.F_UNLCK
# Number from fcntl.h; Python has no name for it.
_F_SETSIG: Final = 10
# From linux/prctl.h.
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4


def request_lease(descriptor: int, kind: int) -> bool:
    """Ask for a lease on an open file.

    Returns:
        False where the file system has no leases, as on most network folders.

    Raises:
        BlockingIOError: another program has the file open.
        PermissionError: another user owns the file, and this process lacks CAP_LEASE.
    """
    try:
        # When somebody waits for the file, the kernel sends a signal. Its default would end the
        # process; this one is ignored.
        fcntl.fcntl(descriptor, _F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, kind)
    except (BlockingIOError, PermissionError):
        raise
    except OSError as error:
        if error.errno in {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}:
            return False
        raise
    return True


def release_lease(descriptor: int) -> None:
    """Give a lease back, if there is one; a program that waits for the file continues."""
    with suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, NO_LEASE)


def keep_capabilities_from_children() -> None:
    """Pass CAP_LEASE, which the unit gives to the service, on to no program that it starts.

    Called before other threads start, as each thread has capabilities of its own.
    """
    ctypes.CDLL(None).prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
