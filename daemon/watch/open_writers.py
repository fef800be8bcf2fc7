"""Tells whether a program has a file open for writing, where the kernel can tell."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

# Number from fcntl.h; Python has no name for it.
_F_SETSIG: Final = 10


def is_being_written(path: Path) -> bool:
    """Tell whether some process on this machine has a file open for writing.

    Returns:
        False also where this cannot be known: another owner's file, or a network file system.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return has_writer(descriptor)
    finally:
        os.close(descriptor)


def has_writer(descriptor: int) -> bool:
    """Tell the same of a file that is open for reading.

    A copy that pauses, or a download into a file of its full size, gives no events and keeps its
    stamp for a while, yet is not complete. The kernel grants a read lease on a file only if nobody
    can write to it (fcntl(2), F_SETLEASE). The lease is given back at once.
    """
    try:
        # If a program opens the file at this moment, the kernel sends a signal. Its default would
        # end the process; this one is ignored.
        fcntl.fcntl(descriptor, _F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    with suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
