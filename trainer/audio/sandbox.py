"""Takes from a process what reading sound does not need: writing files, the network, much memory.

A decoder that a crafted file has taken over can then neither touch the catalogue nor the files.
Uses Landlock (Linux 5.13 and newer, https://docs.kernel.org/userspace-api/landlock.html) where the
kernel has it, and resource limits everywhere. What is taken cannot be had back.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
from typing import Final

_CREATE_RULESET: Final = 444
_RESTRICT_SELF: Final = 446
_ASK_VERSION: Final = 1
_SET_NO_NEW_PRIVILEGES: Final = 38

# Bits of the interface's versions 1 to 3: execute, write, remove, make anything, link, truncate.
_FILE_RIGHTS: Final = {1: 0b1_1111_1111_0011, 2: 1 << 13, 3: 1 << 14}
# From version 4: bind and connect TCP sockets.
_KNOWS_NETWORK: Final = 4
_NETWORK_RIGHTS: Final = 0b11

MIB: Final = 1024 * 1024


def confine(memory_mib: int) -> bool:
    """Give up writing, executing and connecting, and all memory beyond a limit, for good.

    Args:
        memory_mib: most private memory, in MiB.

    Returns:
        Whether the kernel took all of it; False means that only the resource limits hold.
    """
    _lower(resource.RLIMIT_DATA, memory_mib * MIB)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CORE, 0)
    return _landlocked()


def _lower(kind: int, limit: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(kind, (limit, limit))


def landlock_version() -> int:
    """Return which version of Landlock the kernel offers us; 0 if none."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(int(libc.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)), 0)


def _landlocked() -> bool:
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
        # Without rules, everything that is handled is denied everywhere.
        promised = libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        return bool(promised == 0 and libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)
