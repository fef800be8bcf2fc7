"""Tells whether a program has a file open for writing, where the kernel can tell."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from daemon.tagging.disk.leases import READ_LEASE, release_lease, request_lease

if TYPE_CHECKING:
    from pathlib import Path


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
    stamp for a while, yet is not complete. A read lease is granted only if nobody can write to the
    file. It is given back at once.
    """
    try:
        request_lease(descriptor, READ_LEASE)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    release_lease(descriptor)
    return False
