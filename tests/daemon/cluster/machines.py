"""A Dask scheduler and its workers, each a real process that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Machine(NamedTuple):
    """A scheduler or a worker: its process and its address."""

    pid: int
    address: str

    def kill(self) -> None:
        """End it as a power cut would, if it has not ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Machines:
    """The processes of a cluster.

    Args:
        folder: for what they write.
    """

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self.heard_file = folder / "heard"

    def scheduler(self) -> Machine:
        return self._machine("scheduler")

    def worker(self, scheduler: Machine, name: str, role: str = "honest") -> Machine:
        return self._machine(f"worker {scheduler.address} {name} {role} {self.heard_file}")

    def heard(self, name: str) -> list[tuple[str, Path]]:
        """Return for what a worker was asked: for a `file` or for `windows`, and its path there."""
        lines = self.heard_file.read_text().splitlines() if self.heard_file.exists() else []
        words = (line.split(maxsplit=2) for line in lines)
        return [(how, Path(path)) for who, how, path in words if who == name]

    def _machine(self, line: str) -> Machine:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        pid, address = self._process.stdout.readline().split()
        return Machine(int(pid), address)


@contextmanager
def machines(folder: Path) -> Iterator[Machines]:
    """Run the program within the block."""
    environment = os.environ | {
        "DASK_TEMPORARY_DIRECTORY": str(folder),
        "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.daemon.cluster.dask_machines"],
        cwd=Path(__file__).parents[3],
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        yield Machines(process, folder)
        process.kill()
