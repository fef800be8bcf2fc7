"""Boots a container with a real systemd: this machine's files, with changes kept in memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 300.0
POLL_S = 0.5
LANDLOCK = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"


def why_not() -> str:
    """Return why no machine can be booted here, or an empty string."""
    if os.geteuid() != 0:
        return "only root can boot a machine"
    if not Path("/proc/1/mountinfo").exists():
        return "no Linux"
    for program in ("systemd-nspawn", "nsenter", "systemd-analyze", "dbus-daemon", "pgrep"):
        if shutil.which(program) is None:
            return f"{program} is not installed (packages systemd-container, dbus, procps)"
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        return "nothing can be mounted in this container"
    return ""


@dataclass(frozen=True)
class Process:
    """A process inside the machine.

    Attributes:
        pid: its number inside.
        folder: its folder in `/proc`, seen from outside.
    """

    pid: str
    folder: Path

    def status(self, *names: str) -> list[str]:
        """Return fields of its `status` file, in the order of the names."""
        lines = (self.folder / "status").read_text().splitlines()
        values = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return [values[name] for name in names]

    @property
    def nice(self) -> int:
        """Its nice value."""
        # The process name before comes in parentheses, and may contain anything.
        return int((self.folder / "stat").read_text().rpartition(")")[2].split()[16])

    @property
    def oom_score(self) -> int:
        """Its adjustment for the out-of-memory killer."""
        return int((self.folder / "oom_score_adj").read_text())


class Machine:
    """A booted machine.

    Args:
        leader: process number of its systemd, seen from outside.
    """

    def __init__(self, leader: int) -> None:
        self._leader = leader

    def run(self, *line: str | Path, exit_code: int = 0) -> str:
        """Run a command line inside and return its stdout."""
        done = subprocess.run(
            ["nsenter", "-t", str(self._leader), "-a", "-r", "--", *line],
            capture_output=True,
            check=False,
            timeout=PATIENCE_S,
        )
        output = (done.stdout + done.stderr).decode(errors="replace")
        assert done.returncode == exit_code, f"{line}: {output}"
        return done.stdout.decode(errors="replace")

    def path(self, inside: str | Path) -> Path:
        """Return the path of a file inside, seen from outside."""
        return Path(f"/proc/{self._leader}/root") / Path(inside).relative_to("/")

    def properties(self, *names: str, unit: str = "valenced") -> list[str]:
        """Return properties of a unit, in the order of the names."""
        lines = self.run("systemctl", "show", unit, *(f"-p{name}" for name in names))
        values = dict(line.partition("=")[::2] for line in lines.splitlines())
        return [values[name] for name in names]

    def process(self, pid: str) -> Process:
        """Return a process, by its number inside."""
        return Process(pid, self.path(f"/proc/{pid}"))

    def control_group(self, unit: str) -> dict[str, int]:
        """Return the limits of a unit, by either version of control groups."""
        (group,) = self.properties("ControlGroup", unit=unit)
        root = self.path("/sys/fs/cgroup")
        limits = {
            "cpu.weight": root / f".{group}/cpu.weight",
            "cpu.shares": root / f"cpu{group}/cpu.shares",
            "memory.high": root / f".{group}/memory.high",
        }
        return {name: int(file.read_text()) for name, file in limits.items() if file.exists()}

    def journal(self, *fields: str) -> str:
        """Return what the service has logged, limited to entries with the given fields."""
        return self.run("journalctl", "-u", "valenced", "--no-pager", "-q", *fields)

    def wait_for_log(self, text: str, *fields: str) -> None:
        """Wait until the service has logged a text, in an entry with the given fields."""
        self.wait_until(lambda: text in self.journal(*fields), f"logged: {text}")

    def wait_until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something holds."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline_s, f"not {what}:\n{self.journal()}"
            time.sleep(POLL_S)


@contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    """Boot a machine, and stop it at the end of the `with` block.

    Args:
        folder: an empty folder for mount points.
    """
    with ExitStack() as stack:
        _mount(stack, ["-t", "tmpfs", "tmpfs"], folder)
        upper, work, merged = folder / "upper", folder / "work", folder / "merged"
        for layer in (upper, work, merged):
            layer.mkdir()
        layers = f"lowerdir=/,upperdir={upper},workdir={work}"
        _mount(stack, ["-t", "overlay", "overlay", "-o", layers], merged)
        visible = {str(ROOT), sys.prefix, str(Path(sys.base_prefix).resolve())}
        output = stack.enter_context((folder / "console").open("w+b"))
        container = subprocess.Popen(
            [
                *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "-D", merged),
                *("--private-network", "--link-journal=no", "--console=pipe"),
                # A container forbids these calls unless told otherwise.
                f"--system-call-filter={LANDLOCK}",
                *(f"--bind-ro={path}" for path in sorted(visible)),
                *("--boot", "systemd.unit=basic.target"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        stack.callback(_stop, container)
        machine = Machine(_leader(container, folder / "console"))
        _wait_until_up(machine)
        yield machine


def _mount(stack: ExitStack, arguments: list[str], on: Path) -> None:
    subprocess.run(["mount", *arguments, on], check=True)
    stack.callback(lambda: subprocess.run(["umount", "-l", on], check=False))


def _leader(container: subprocess.Popen[bytes], console: Path) -> int:
    """Wait for the systemd inside, and return its process number."""
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children")
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        # A process may end between two looks at it.
        with suppress(OSError):
            for child in children.read_text().split():
                name = Path(f"/proc/{child}/comm").read_text().strip()
                if name == "systemd" and Path(f"/proc/{child}/root/run/systemd/private").exists():
                    return int(child)
        output = console.read_text(errors="replace")
        assert container.poll() is None, f"systemd-nspawn ended:\n{output}"
        assert time.monotonic() < deadline_s, f"systemd did not start:\n{output}"
        time.sleep(POLL_S)


def _wait_until_up(machine: Machine) -> None:
    """Wait for the last unit of the boot; systemd may not answer at all before."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            (state,) = machine.properties("ActiveState", unit="basic.target")
        except AssertionError:
            if time.monotonic() > deadline_s:
                raise
        else:
            if state == "active":
                return
            assert time.monotonic() < deadline_s, f"basic.target is {state}"
        time.sleep(POLL_S)


def _stop(container: subprocess.Popen[bytes]) -> None:
    # All processes inside end with its systemd.
    container.terminate()
    try:
        container.wait(60)
    except subprocess.TimeoutExpired:
        container.kill()
        container.wait()
