"""Runs a service whose state is observed from outside, and kills it in an observed state.

The service is frozen (SIGSTOP) while it is observed, so a kill hits exactly the state that is
counted, and the product needs no hook for it.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from tests.catalogue_rows import CLIPS
from trainer.bundles.registry import published_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.driving import Valenced
    from tests.forked import Forked

POLL_S = 0.002
STOPS_WITHIN_S = 300.0
ROOT = Path(__file__).parents[2]


class State(StrEnum):
    """How far the sounds and bundles in progress are; several states can hold at once."""

    STARTING = "starting"
    QUEUED = "queued"
    CLAIMED = "claimed, not recorded"
    IDENTIFYING = "  claimed, not identified"
    ANALYSING = "  identified, not analysed"
    RECORDING = "  analysed, not recorded"
    PENDING = "recorded, tags pending"
    COPYING = "temporary copy present"
    IDLE = "idle"
    TRAINING = "training"
    PUBLISHED = "published, not loaded"
    RESCORING = "rescoring"
    RESCORED = "rescored, tags pending"


LEARNING_STATES = (State.TRAINING, State.PUBLISHED, State.RESCORING, State.RESCORED)
"""States that occur only if somebody annotates, trains or changes bundles."""

STAGES = {"identified": State.IDENTIFYING, "analysed": State.ANALYSING, "recorded": State.RECORDING}
"""The state of a claimed sound, by the method of `Pipeline` that comes next."""

_NEXT = re.compile(r"DEBUG (.*): to be (\w+)$", re.MULTILINE)
_MODULES = {
    b"trainer.processes.retrain_process": State.TRAINING,
    b"trainer.processes.rescore_process": State.RESCORING,
}
_COUNTS = f"""
SELECT
    (SELECT count(*) FROM queue WHERE state = 'waiting' AND reason IS NULL),
    (SELECT count(*) FROM queue WHERE state = 'running'),
    (SELECT count(*) FROM clips WHERE tag_state = 'pending' AND missing_since IS NULL),
    (SELECT count(*) FROM {CLIPS} JOIN felt USING (identity)
     WHERE tag_state = 'pending' AND missing_since IS NULL
     AND (SELECT label FROM labels WHERE labels.id = tagged_bundle) <> felt.bundle),
    (SELECT name FROM bundles WHERE in_service)
"""


class ObservedService:
    """A real `valenced run`, which can be started again and again.

    Args:
        valenced: the installation.
        folders: the watched folders.
        log: the file that its stderr is added to.
        command: returns what to run instead of `valenced`, given the number of earlier starts.

    Attributes:
        crashes: exit codes and log of each start that ended though nobody had killed it.
        starts: how often it was started.
    """

    def __init__(
        self,
        valenced: Valenced,
        folders: Sequence[Path],
        log: Path,
        command: Callable[[int], list[str | Path]] | None = None,
    ) -> None:
        self._valenced = valenced
        self._folders = folders
        self._log = log
        self._command = command
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self.crashes: list[str] = []
        self.starts = 0

    def start(self) -> None:
        """Start it unless it runs; record a crash if it ended though nobody had killed it."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            self.crashes.append(f"exit code {self._process.returncode}:\n{self.log_text()}")
        self._log_start = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = self._launch(log.fileno())
        self.starts += 1

    def wait_until_started(self) -> None:
        """Wait until it watches its folders, or has ended."""
        while self._is_running() and State.STARTING in self.states():
            time.sleep(POLL_S)

    def log_text(self) -> str:
        """Return its stderr since the last start."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def states(self) -> set[State]:
        """Return the states that hold now."""
        if "\ncatalogue " not in self.log_text():
            return {State.STARTING}
        with closing(
            sqlite3.connect(f"file:{self._valenced.catalogue}?mode=ro", uri=True)
        ) as catalogue:
            waiting, claimed, pending, rescored, in_service = catalogue.execute(_COUNTS).fetchone()
            claims = catalogue.execute("SELECT path FROM queue WHERE state = 'running'").fetchall()
        next_stage = dict(_NEXT.findall(self.log_text()))
        stages = {STAGES.get(next_stage.get(path, "")) for (path,) in claims}
        jobs = self.jobs().values()
        registry = self._valenced.catalogue.parent / "bundles"
        copying = any(temporaries(folder) for folder in self._folders)
        found = {
            State.QUEUED: waiting,
            State.CLAIMED: claimed,
            **{state: state in stages for state in STAGES.values()},
            State.PENDING: pending,
            State.COPYING: copying,
            State.TRAINING: State.TRAINING in jobs,
            State.PUBLISHED: published_name(registry) != in_service,
            State.RESCORING: State.RESCORING in jobs,
            State.RESCORED: rescored,
        }
        return {state for state, holds in found.items() if holds} or {State.IDLE}

    def wait_for(self, state: State, patience_s: float) -> bool:
        """Freeze it in a state; return whether that happened, and if so leave it frozen.

        The time it takes to start does not count, however busy the machine is.
        """
        until_s = time.monotonic() + patience_s
        while time.monotonic() < until_s and self._is_running():
            seen = self.states()
            # A stage is too short to be observed first and frozen then.
            if state in seen or state in STAGES.values():
                self.freeze()
                if state in self.states():
                    return True
                self.thaw()
            if State.STARTING in seen:
                until_s = time.monotonic() + patience_s
            time.sleep(POLL_S)
        return False

    def freeze(self) -> None:
        """Stop it and its jobs, not its workers, and wait until they are stopped."""
        self._send(signal.SIGSTOP)
        while self._is_running() and _field(self.pid, 0) not in "Tt":
            time.sleep(POLL_S / 10)
        for job in self.jobs():
            send(job, signal.SIGSTOP)
            while _field(job, 0) not in "TtZ":
                time.sleep(POLL_S / 10)

    def thaw(self) -> None:
        """Let it and its jobs continue."""
        for job in self.jobs():
            send(job, signal.SIGCONT)
        self._send(signal.SIGCONT)

    def workers(self) -> list[int]:
        """Return the process numbers of its workers."""
        jobs = self.jobs()
        return [number for number in self._children() if number not in jobs]

    def jobs(self) -> dict[int, State]:
        """Return the process numbers of its background jobs, each with the state it means."""
        found: dict[int, State] = {}
        for number in self._children():
            with suppress(OSError):
                words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
                for module in _MODULES.keys() & set(words):
                    found[number] = _MODULES[module]
        return found

    def _children(self) -> list[int]:
        if self._process is None:
            return []
        numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [number for number in numbers if _field(number, 1) == str(self.pid)]

    def peak_mib(self) -> float:
        """Return the peak memory of its main process, in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024

    def kill(self) -> None:
        """Kill its main process, not its workers."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ask it to stop; record a crash unless it exits with 0."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(STOPS_WITHIN_S)
        self._process = None
        if code:
            self.crashes.append(f"exit code {code} after SIGTERM:\n{self.log_text()}")

    def _launch(self, stderr: int) -> subprocess.Popen[bytes] | Forked:
        if self._command is None:
            return self._valenced.launch("run", *self._folders, stderr=stderr)
        return subprocess.Popen(
            [*self._command(self.starts), *self._valenced.line("run", *self._folders)[1:]],
            env=self._valenced.environment,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )

    @property
    def pid(self) -> int:
        """The process number of its main process."""
        assert self._process is not None
        return self._process.pid

    def _is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


def send(process: int, number: signal.Signals) -> None:
    """Send a signal to a worker or a job, which may just have ended by itself."""
    with suppress(ProcessLookupError):
        os.kill(process, number)


def temporaries(folder: Path) -> list[Path]:
    """Return the temporary files of tag writes in or below a folder."""
    found = []
    for base, _, names in os.walk(folder):
        found += [Path(base, name) for name in names if name.startswith(".valenced-")]
    return found


def _field(number: int, index: int) -> str:
    """Return a field of a process's `stat`, counted after its name; empty if it is gone."""
    try:
        text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[index]
