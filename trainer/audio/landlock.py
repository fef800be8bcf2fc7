"""Landlock: the kernel denies a process files, devices, TCP, and signals, by rules of its own.

https://docs.kernel.org/userspace-api/landlock.html (Linux 5.13; each version since handles more).
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_QUERY_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_SET_NO_NEW_PRIVILEGES: Final = 38

# Bits of version 1: execute, write, read, list, remove, make anything; then link, truncate, and
# commands to devices.
_FILE_RIGHTS: Final = {1: 0b1_1111_1111_1111, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
_READ_FILE: Final = 1 << 2
_READ_FOLDER: Final = 1 << 3
_NETWORK_SINCE: Final = 4
_BIND_AND_CONNECT: Final = 0b11
_DEVICES_SINCE: Final = 5
_SCOPES_SINCE: Final = 6
_SOCKETS_AND_SIGNALS: Final = 0b11

FILES: Final = "files (Landlock)"
LAYERS: Final = {
    1: FILES,
    _NETWORK_SINCE: "TCP (Landlock)",
    _DEVICES_SINCE: "devices (Landlock)",
    _SCOPES_SINCE: "abstract sockets and signals (Landlock)",
}
"""What each version of the interface adds."""


def landlock_version() -> int:
    """Return the version of Landlock that the kernel offers; 0 if none."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(int(libc.syscall(_CREATE_RULESET, None, 0, _QUERY_VERSION)), 0)


def enter_landlock(readable: Iterable[Path]) -> list[str]:
    """Give up opening, changing and executing files, TCP, and signals to others, for good.

    It holds for this thread, and for those that it starts from now on.

    Args:
        readable: files and folders that can still be opened for reading; absent ones are left out.

    Returns:
        The layers that hold now; none if the kernel has no Landlock.
    """
    version = landlock_version()
    if version < 1:
        return []
    libc = ctypes.CDLL(None, use_errno=True)
    rights = [sum(bits for since, bits in _FILE_RIGHTS.items() if since <= version)]
    if version >= _NETWORK_SINCE:
        rights.append(_BIND_AND_CONNECT)
    if version >= _SCOPES_SINCE:
        rights.append(_SOCKETS_AND_SIGNALS)
    attributes = struct.pack(f"{len(rights)}Q", *rights)
    # What is handled and has no rule is denied everywhere.
    ruleset = libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return []
    try:
        for path in readable:
            _allow_reading(libc, ruleset, path)
        no_new_privileges = libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
        if not no_new_privileges or libc.syscall(_RESTRICT_SELF, ruleset, 0) != 0:
            return []
    finally:
        os.close(ruleset)
    return [layer for since, layer in LAYERS.items() if since <= version]


def _allow_reading(libc: ctypes.CDLL, ruleset: int, path: Path) -> None:
    try:
        target = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        is_folder = stat.S_ISDIR(os.fstat(target).st_mode)
        rights = _READ_FILE | (_READ_FOLDER if is_folder else 0)
        rule = struct.pack("=Qi", rights, target)
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(target)
