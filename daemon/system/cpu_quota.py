"""How many processors this process may use, which may be fewer than the machine has."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMBERSHIP = Path("/proc/self/cgroup")
CONTROLS = Path("/sys/fs/cgroup")
_FIELDS = 3


def usable_processors(
    allowed: int | None = None, membership: Path = MEMBERSHIP, controls: Path = CONTROLS
) -> int:
    """Count the processors that affinity and control group quotas leave to this process.

    A quota of one and a half counts as one: a second worker would mostly wait.

    Args:
        allowed: number of processors in the affinity mask; read from the kernel if None.
        membership: a file in the form of `/proc/self/cgroup`.
        controls: where the control groups are mounted, as version 1 or 2.

    Returns:
        At least 1.
    """
    count = float(len(os.sched_getaffinity(0)) if allowed is None else allowed)
    for group in _groups(membership, controls):
        # Each ancestor may have a quota of its own.
        for folder in (group, *group.parents):
            if not folder.is_relative_to(controls):
                break
            count = min(count, _quota(folder))
    return max(int(count), 1)


def _groups(membership: Path, controls: Path) -> Iterator[Path]:
    try:
        lines = membership.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        fields = line.split(":", _FIELDS - 1)
        if len(fields) != _FIELDS:
            continue
        _, controllers, path = fields
        # With "..", our group lies outside of what is mounted here.
        group = "" if ".." in Path(path).parts else path.lstrip("/")
        if not controllers:
            yield controls / group
            yield controls / "unified" / group
        elif "cpu" in controllers.split(","):
            # Version 1: a folder named after all of its controllers, with a link for each.
            yield controls / controllers / group
            yield controls / "cpu" / group


def _quota(folder: Path) -> float:
    """Return how many processors a group may use, infinite if it has no quota."""
    with suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
        return _share(quota, period)
    with suppress(OSError, ValueError):
        quota = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii")
        return _share(quota, (folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
    return float("inf")


def _share(quota: str, period: str) -> float:
    if quota.strip() == "max" or int(quota) <= 0 or int(period) <= 0:
        return float("inf")
    return int(quota) / int(period)
