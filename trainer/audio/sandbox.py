"""Restricts a process that decodes: no file writes, no programs, no TCP, limited memory.

A crafted file that takes over the decoder can then change neither the catalogue nor other files.
The resource limits (private memory, size of written files, no core dump) hold on every kernel. The
rest needs Landlock (Linux 5.13, https://docs.kernel.org/userspace-api/landlock.html), TCP its
version 4 (Linux 6.7). Other network protocols stay open. Nothing of this can be undone.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
from typing import Final

_CREATE_RULESET: Final = 444
_RESTRICT_SELF: Final = 446
_QUERY_VERSION: Final = 1
_SET_NO_NEW_PRIVILEGES: Final = 38

# Bits of the interface's versions 1 to 3: execute, write, remove, make anything, link, truncate.
_FILE_RIGHTS: Final = {1: 0b1_1111_1111_0011, 2: 1 << 13, 3: 1 << 14}
# From version 4: bind and connect TCP sockets.
_KNOWS_NETWORK: Final = 4
_NETWORK_RIGHTS: Final = 0b11

MIB: Final = 1024 * 1024


def confine(memory_mib: int) -> bool:
    """Give up writing, executing and connecting, and all private memory beyond a limit, for good.

    Returns:
        Whether Landlock holds; False means that only the resource limits do.
    """
    limits = {
        resource.RLIMIT_DATA: memory_mib * MIB,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        _, hard = resource.getrlimit(kind)
        lower = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (lower, lower))
    return _enter_landlock()


def landlock_version() -> int:
    """Return the version of Landlock that the kernel offers; 0 if none."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(int(libc.syscall(_CREATE_RULESET, None, 0, _QUERY_VERSION)), 0)


def _enter_landlock() -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    version = landlock_version()
    if version < 1:
        return False
    files = sum(rights for since, rights in _FILE_RIGHTS.items() if since <= version)
    rights = (files, _NETWORK_RIGHTS) if version >= _KNOWS_NETWORK else (files,)
    attributes = struct.pack(f"{len(rights)}Q", *rights)
    ruleset = libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    try:
        # A ruleset without rules denies every right that it handles, everywhere.
        no_new_privileges = libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
        return bool(no_new_privileges and libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)
