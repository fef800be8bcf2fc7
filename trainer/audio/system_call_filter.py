"""A list of the system calls that are left to a process that decodes; the kernel refuses others.

The filter is made by libseccomp, which every system with systemd has. It is called directly: the
package pyseccomp would start two programs at each import to find the same library. Calls are
named, as their numbers differ between kinds of processors.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import termios
from typing import Final, NamedTuple

LAYER: Final = "system calls (seccomp)"

_LIBRARY: Final = "libseccomp.so.2"
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000
_ALL_THREADS: Final = 4
_EQUAL: Final = 4

_READING: Final = """
    read readv pread64 preadv preadv2 lseek open openat openat2 close close_range fstat newfstatat
    stat lstat statx statfs fstatfs access faccessat faccessat2 readlink readlinkat getdents64
    getcwd fadvise64 dup dup2 dup3 poll ppoll select pselect6
"""
# To the socket that leads to the service, and to the log; no file is open for writing.
_ANSWERING: Final = """
    write writev recvfrom recvmsg sendmsg shutdown getsockopt setsockopt getsockname getpeername
"""
_MEMORY: Final = "mmap munmap mremap mprotect madvise brk"
_PROCESS: Final = """
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending sigaltstack alarm setitimer getitimer
    futex set_robust_list rseq set_tid_address sched_yield sched_getaffinity getcpu membarrier
    arch_prctl clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times getpid
    gettid getppid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp getpgid
    getsid getrusage getrlimit setrlimit getpriority uname sysinfo getrandom exit exit_group
    restart_syscall
"""
_NAMES: Final = f"{_READING} {_ANSWERING} {_MEMORY} {_PROCESS}".split()

# As glibc and Python use them; F_SETOWN would send signals, F_SETLEASE and locks would hinder
# other programs.
_FCNTL: Final = (
    fcntl.F_DUPFD,
    fcntl.F_DUPFD_CLOEXEC,
    fcntl.F_GETFD,
    fcntl.F_SETFD,
    fcntl.F_GETFL,
    fcntl.F_SETFL,
)
_IOCTL: Final = (termios.TCGETS, termios.FIONREAD, termios.FIOCLEX, termios.FIONCLEX)


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("other", ctypes.c_uint64),
    )


class _Rule(NamedTuple):
    """A call that is allowed if an argument has a value."""

    name: str
    argument: int
    value: int


def filter_system_calls() -> list[str]:
    """Give up every system call that is not on the list, in all threads and for good.

    Whatever is refused fails as if it were not permitted: no process or thread can be started, no
    socket made, no other process reached, and no file removed or given another mode or time.

    Returns:
        The layer; none if libseccomp or the kernel's support is missing.
    """
    try:
        library = ctypes.CDLL(_LIBRARY, use_errno=True)
    except OSError:
        return []
    library.seccomp_init.restype = ctypes.c_void_p
    context = library.seccomp_init(ctypes.c_uint32(_REFUSE | errno.EPERM))
    if not context:
        return []
    filter_ = ctypes.c_void_p(context)
    try:
        whole = library.seccomp_attr_set(filter_, _ALL_THREADS, 1) == 0 and all(
            _add(library, filter_, _ALLOW, name) for name in _NAMES
        )
        whole = whole and all(
            _add(library, filter_, _ALLOW, rule.name, rule) for rule in _conditional()
        )
        # glibc then falls back to calls whose arguments can be seen.
        whole = whole and _add(library, filter_, _REFUSE | errno.ENOSYS, "clone3")
        return [LAYER] if whole and library.seccomp_load(filter_) == 0 else []
    finally:
        library.seccomp_release(filter_)


def _conditional() -> list[_Rule]:
    return [
        *(_Rule("fcntl", 1, command) for command in _FCNTL),
        *(_Rule("ioctl", 1, command) for command in _IOCTL),
        # Only along the socket to the service, not to an address.
        _Rule("sendto", 4, 0),
        # Its own limits, and signals to itself, such as that of `abort`.
        _Rule("prlimit64", 0, 0),
        _Rule("prlimit64", 0, os.getpid()),
        _Rule("tgkill", 0, os.getpid()),
    ]


def _add(
    library: ctypes.CDLL,
    filter_: ctypes.c_void_p,
    action: int,
    name: str,
    rule: _Rule | None = None,
) -> bool:
    """Add a rule; a call that this machine or this libseccomp does not know stays refused."""
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number < 0:
        return True
    comparisons = (_Comparison * 1)()
    if rule is not None:
        comparisons[0] = _Comparison(rule.argument, _EQUAL, rule.value, 0)
    count = 0 if rule is None else 1
    action_, count_ = ctypes.c_uint32(action), ctypes.c_uint(count)
    return bool(library.seccomp_rule_add_array(filter_, action_, number, count_, comparisons) == 0)
