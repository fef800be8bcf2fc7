"""Measures what processes use, while they run and to their end; one that has ended uses nothing."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


POLL_S: Final = 0.05


class Usage(NamedTuple):
    """What a process has used from its start to its end, its own processes included.

    Attributes:
        elapsed_s: seconds from start to end.
        processor_s: processor seconds, all threads.
        peak_mib: the most memory that it had at once, its own processes not included.
    """

    elapsed_s: float
    processor_s: float
    peak_mib: float


def usage_of(
    line: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    cores: set[int] | None = None,
) -> Usage:
    """Runs a command to its end, on some cores only if they are given.

    Raises:
        subprocess.CalledProcessError: its exit code is not 0.
    """
    began_s = time.monotonic()
    confine = None if cores is None else partial(os.sched_setaffinity, 0, cores)
    process = subprocess.Popen(
        line,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=confine,  # noqa: PLW1509 - this process has no threads
    )
    # What the kernel says of its peak at its end includes that of this process, which it was first.
    peak = 0.0
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        peak = max(peak, peak_mib(process.pid))
        time.sleep(POLL_S)
    elapsed_s = time.monotonic() - began_s
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, line)
    return Usage(elapsed_s, used.ru_utime + used.ru_stime, peak)


def busy_s() -> float:
    """Returns the processor seconds of the whole machine since its start."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK")


def peak_mib(process: int) -> float:
    """Returns the most resident memory that a process ever had, in MiB."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text(errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def resident_mib(process: int) -> float:
    """Returns the resident memory of a process in MiB, shared pages included."""
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return 0.0


def proportional_mib(process: int) -> float:
    """Returns the memory of a process in MiB; each shared page counts in parts (Pss)."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def processor_s(process: int, *, ended_children: bool = True) -> float:
    """Returns the processor seconds of a process, and of its children that have ended."""
    with suppress(OSError, ValueError, IndexError):
        # Fields are counted after the name in parentheses, which may contain anything.
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11 : 15 if ended_children else 13])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def children_of(process: int) -> list[int]:
    """Returns the children of all threads of a process."""
    children: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(OSError):
                children += map(int, (thread / "children").read_text().split())
    return children


def tree_of(process: int) -> list[int]:
    """Returns a process with all its descendants."""
    found = [process]
    for parent in found:
        found += children_of(parent)
    return found
