"""Restricts a process that decodes: it can read and answer, and nothing else, for good.

A crafted file that takes over the decoder then finds no file to open but program code, no other
process, no network and no socket but the one to the service. Three layers do it, and what holds
is said for each: limits of resources (on every kernel), the system calls that are left (seccomp, if
libseccomp is there), and what can be opened (Landlock, Linux 5.13 and newer).
"""

from __future__ import annotations

import os
import resource
import sys
import sysconfig
from importlib import import_module
from pathlib import Path
from typing import Final

from trainer.audio import system_call_filter
from trainer.audio.landlock import FILES, enter_landlock
from trainer.audio.system_call_filter import filter_system_calls

MIB: Final = 1024 * 1024

LIMITS: Final = "memory, files and processes (limits)"
NEEDED: Final = (LIMITS, system_call_filter.LAYER, FILES)
"""The layers without which a process is not called confined."""

# Libraries that are loaded later take address space, but little memory.
_LIBRARIES_MIB: Final = 1024
_MOST_DESCRIPTORS: Final = 64

_SYSTEM: Final = (
    *("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache"),
    *("/sys/devices/system/cpu", "/proc/cpuinfo", "/proc/meminfo"),
    *("/proc/self/maps", "/proc/self/status", "/dev/null", "/dev/urandom"),
)
_PACKAGES: Final = ("config", "storage", "trainer", "daemon")


def confine(memory_mib: int) -> list[str]:
    """Give up all that reading sound does not need.

    Args:
        memory_mib: the most private memory; with it, shared memory can take some more.

    Returns:
        The layers that hold; a process that lacks one of `NEEDED` is not confined.
    """
    # The folders of the first could be found no more, and the last reads settings of the system.
    for package in ("config", "storage", "hashlib"):
        import_module(package)
    _set_limits(memory_mib)
    # Landlock would not hold for threads that exist already.
    layers = enter_landlock(_readable()) if is_alone() else []
    return [LIMITS, *layers, *filter_system_calls()]


def is_alone() -> bool:
    """Tell whether this is the only thread of the process."""
    return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - names are enough


def _set_limits(memory_mib: int) -> None:
    in_use = _address_space()
    limits = {
        resource.RLIMIT_DATA: memory_mib * MIB,
        # Shared memory does not count as data.
        resource.RLIMIT_AS: in_use + (memory_mib + _LIBRARIES_MIB) * MIB,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        # Neither processes nor threads; the kernel exempts root.
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: _MOST_DESCRIPTORS,
    }
    for kind, limit in limits.items():
        _, hard = resource.getrlimit(kind)
        lower = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (lower, lower))


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _readable() -> list[Path]:
    """Return program code, which is loaded when needed, and what libraries ask of the system."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = {sysconfig.get_path(name) for name in names} | {sysconfig.get_config_var("LIBDIR")}
    for entry in filter(os.path.isabs, sys.path):
        folders |= {entry} if _holds_libraries(entry) else _packages_in(entry)
    return [Path(path) for path in (*sorted(filter(None, folders)), *_SYSTEM)]


def _holds_libraries(entry: str) -> bool:
    has_some = any(os.path.exists(f"{entry}/{name}") for name in ("numpy", "av"))  # noqa: PTH110
    return has_some or entry.endswith((".zip", "-packages", "lib-dynload"))


def _packages_in(entry: str) -> set[str]:
    # A checkout, whose folder holds more than code.
    return {os.path.join(entry, name) for name in _PACKAGES}  # noqa: PTH118 - of text
