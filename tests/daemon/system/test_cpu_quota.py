from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from daemon.system.cpu_quota import usable_processors

if TYPE_CHECKING:
    from pathlib import Path


def counted(folder: Path, membership: str, controls: dict[str, str], allowed: int = 8) -> int:
    """Count with control files laid out as the kernel does."""
    (folder / "membership").write_text(membership)
    for name, content in controls.items():
        file = folder / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return usable_processors(allowed, folder / "membership", folder / "cgroup")


@pytest.mark.parametrize(
    ("quota", "count"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 1), ("5000 100000", 1)],
)
def test_the_quota_of_one_hierarchy_counts(tmp_path: Path, quota: str, count: int) -> None:
    controls = {"system.slice/valenced.service/cpu.max": quota}
    assert counted(tmp_path, "0::/system.slice/valenced.service\n", controls) == count


def test_the_tightest_group_above_counts(tmp_path: Path) -> None:
    controls = {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000", "cpu.max": "4 1"}
    assert counted(tmp_path, "0::/a/b\n", controls) == 3


@pytest.mark.parametrize(("quota", "count"), [("-1", 8), ("400000", 4)])
def test_the_quota_of_several_hierarchies_counts(tmp_path: Path, quota: str, count: int) -> None:
    controls = {
        "cpu,cpuacct/box/cpu.cfs_quota_us": quota,
        "cpu,cpuacct/box/cpu.cfs_period_us": "100000",
    }
    membership = "4:memory:/box\n2:cpu,cpuacct:/box/inner\n0::/\n"
    assert counted(tmp_path, membership, controls) == count


@pytest.mark.parametrize(
    "nonsense", ["", "garbage", "0::", "x:cpu", "0::/../../outside\n", "1:cpu:/a\x00b"]
)
def test_nonsense_leaves_the_affinity(tmp_path: Path, nonsense: str) -> None:
    assert counted(tmp_path, nonsense, {"cpu.max": "all of it", "cpu/cpu.cfs_quota_us": "?"}) == 8


def test_a_group_that_is_seen_from_inside_counts_by_its_root(tmp_path: Path) -> None:
    assert counted(tmp_path, "0::/../outside\n", {"cpu.max": "300000 100000"}) == 3


def test_the_affinity_of_the_process_counts() -> None:
    script = (
        "import os\nfrom daemon.system.cpu_quota import usable_processors\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nprint(usable_processors())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"1\n"
    assert usable_processors() <= len(os.sched_getaffinity(0))
