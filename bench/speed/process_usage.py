"""Reads from `/proc` what processes use; a process that has ended uses nothing."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


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
