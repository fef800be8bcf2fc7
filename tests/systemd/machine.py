"""A machine of its own with a real systemd: this one's files, what is written kept in memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0
LOOK_S = 0.5
LANDLOCK = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"


def why_not() -> str:
    """Return why no machine can be booted here, nothing if one can."""
    if os.geteuid() != 0:
        return "only root can boot a machine"
    if not Path("/proc/1/mountinfo").exists():
        return "no Linux"
    for program in ("systemd-nspawn", "nsenter", "systemd-analyze", "dbus-daemon"):
        if shutil.which(program) is None:
            return f"{program} is not installed (packages systemd-container, dbus)"
    return ""


@dataclass(frozen=True)
class Process:
    """A process of a machine.

    Attributes:
        pid: its number in there.
        folder: what the kernel says of it.
    """

    pid: str
    folder: Path

    def status(self, *names: str) -> list[str]:
        """Return lines of its status, in the order asked for."""
        lines = (self.folder / "status").read_text().splitlines()
        values = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return [values[name] for name in names]

    @property
    def nice(self) -> int:
        """How far it stands back."""
        # The name stands in brackets before, and may hold anything.
        return int((self.folder / "stat").read_text().rpartition(")")[2].split()[16])

    @property
    def oom_score(self) -> int:
        """How much rather than others it is ended when memory is short."""
        return int((self.folder / "oom_score_adj").read_text())


class Machine:
    """A booted machine.

    Args:
        leader: process number of its systemd.
    """

    def __init__(self, leader: int) -> None:
        self._leader = leader

    def run(self, *line: str | Path, exit_code: int = 0) -> str:
        """Run a command line inside and return its stdout."""
        done = subprocess.run(
            ["nsenter", "-t", str(self._leader), "-a", "--", *line],
            capture_output=True,
            check=False,
            timeout=PATIENCE_S,
        )
        said = (done.stdout + done.stderr).decode(errors="replace")
        assert done.returncode == exit_code, f"{line}: {said}"
        return done.stdout.decode(errors="replace")

    def path(self, inside: str | Path) -> Path:
        """Return where a file of the machine is seen from outside."""
        return Path(f"/proc/{self._leader}/root") / Path(inside).relative_to("/")

    def shown(self, *properties: str, unit: str = "valenced") -> list[str]:
        """Return properties of a unit, in the order asked for."""
        lines = self.run("systemctl", "show", unit, *(f"-p{name}" for name in properties))
        values = dict(line.partition("=")[::2] for line in lines.splitlines())
        return [values[name] for name in properties]

    def process(self, pid: str) -> Process:
        """Return a process of the machine, by its number in there."""
        return Process(pid, self.path(f"/proc/{pid}"))

    def control_group(self, unit: str) -> dict[str, int]:
        """Return what the kernel holds a unit to, by whichever version of control groups."""
        (group,) = self.shown("ControlGroup", unit=unit)
        root = self.path("/sys/fs/cgroup")
        figures = {
            "cpu.weight": root / f".{group}/cpu.weight",
            "cpu.shares": root / f"cpu{group}/cpu.shares",
            "memory.high": root / f".{group}/memory.high",
        }
        return {name: int(file.read_text()) for name, file in figures.items() if file.exists()}

    def journal(self, *fields: str) -> str:
        """Return what the service has logged, or what of it has some fields."""
        return self.run("journalctl", "-u", "valenced", "--no-pager", "-q", *fields)

    def wait_until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, f"not {what}:\n{self.journal()}"
            time.sleep(LOOK_S)


@contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    """Boot a machine and end it with the block.

    Args:
        folder: an empty folder that may be mounted on.
    """
    with ExitStack() as stack:
        _mount(stack, ["-t", "tmpfs", "tmpfs"], folder)
        upper, work, merged = folder / "upper", folder / "work", folder / "merged"
        for made in (upper, work, merged):
            made.mkdir()
        layers = f"lowerdir=/,upperdir={upper},workdir={work}"
        _mount(stack, ["-t", "overlay", "overlay", "-o", layers], merged)
        seen = {str(ROOT), sys.prefix, str(Path(sys.base_prefix).resolve())}
        container = subprocess.Popen(
            [
                *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "-D", merged),
                *("--private-network", "--link-journal=no", "--console=pipe"),
                # A container forbids them by itself, a machine does not.
                f"--system-call-filter={LANDLOCK}",
                *(f"--bind-ro={path}" for path in sorted(seen)),
                *("--boot", "systemd.unit=basic.target"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(_end, container)
        machine = Machine(_leader(container))
        machine.wait_until(lambda: _is_up(machine), "booted")
        yield machine


def _mount(stack: ExitStack, arguments: list[str], on: Path) -> None:
    subprocess.run(["mount", *arguments, on], check=True)
    stack.callback(lambda: subprocess.run(["umount", "-l", on], check=False))


def _leader(container: subprocess.Popen[bytes]) -> int:
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children")
    deadline = time.monotonic() + PATIENCE_S
    while True:
        for child in children.read_text().split():
            name = Path(f"/proc/{child}/comm").read_text().strip()
            if name == "systemd" and Path(f"/proc/{child}/root/run/systemd/private").exists():
                return int(child)
        assert container.poll() is None, "systemd-nspawn ended at once"
        assert time.monotonic() < deadline, "systemd did not come up"
        time.sleep(LOOK_S)


def _is_up(machine: Machine) -> bool:
    (state,) = machine.shown("ActiveState", unit="basic.target")
    return state == "active"


def _end(container: subprocess.Popen[bytes]) -> None:
    # Its systemd ends with everything in it.
    container.terminate()
    try:
        container.wait(15)
    except subprocess.TimeoutExpired:
        container.kill()
        container.wait()
