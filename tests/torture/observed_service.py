"""Looks at a service from outside, and kills it or its workers in a state that was looked at.

The service is frozen (SIGSTOP) for the look, so a kill lands in just the state that is counted,
and the product needs no seam for it.
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

from trainer.bundles.registry import published_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.driving import Valenced

GLANCE_S = 0.002
ENDS_WITHIN_S = 60.0
ROOT = Path(__file__).parents[2]


class State(StrEnum):
    """Where the sounds in hand stand, as far as it can be seen."""

    STARTING = "starting"
    QUEUED = "queued"
    RUNNING = "running, before record"
    IDENTIFYING = "  taken up, not identified"
    ANALYSING = "  identified, not analysed"
    RECORDING = "  analysed, not recorded"
    PENDING = "recorded, tags pending"
    COPYING = "temporary copy present"
    IDLE = "idle"
    LEARNING = "learning"
    PUBLISHED = "published, not taken up"
    SCORING = "scoring again"
    MOVED = "scored again, tags pending"


LESSONS = (State.LEARNING, State.PUBLISHED, State.SCORING, State.MOVED)
"""States of bundles and annotations; there are none unless people teach."""

STAGES = {
    "identified": State.IDENTIFYING,
    "analysed": State.ANALYSING,
    "recorded": State.RECORDING,
}
"""Between which two stages a sound stands, by the one that it is to pass next."""

_NEXT = re.compile(r"DEBUG (.*): to be (\w+)$", re.MULTILINE)
_MODULES = {
    b"trainer.processes.retrain_process": State.LEARNING,
    b"trainer.processes.rescore_process": State.SCORING,
}
_SEEN = """
SELECT
    (SELECT count(*) FROM queue WHERE state = 'waiting' AND reason IS NULL),
    (SELECT count(*) FROM queue WHERE state = 'running'),
    (SELECT count(*) FROM clips WHERE tag_state = 'pending' AND missing_since IS NULL),
    (SELECT count(*) FROM clips JOIN felt USING (identity)
     WHERE tag_state = 'pending' AND missing_since IS NULL AND tagged_bundle <> felt.bundle),
    (SELECT name FROM bundles WHERE in_service)
"""


class Victim:
    """A real `valenced run`, started as often as it takes.

    Args:
        valenced: the installation.
        folders: what it watches.
        log: takes its stderr.
        through: stands before the arguments instead of the command; told how often it was started.
    """

    def __init__(
        self,
        valenced: Valenced,
        folders: Sequence[Path],
        log: Path,
        through: Callable[[int], list[str | Path]] | None = None,
    ) -> None:
        self._valenced = valenced
        self._folders = folders
        self._log = log
        self._through = through
        self._begun_at = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.died: list[str] = []
        self.starts = 0

    def start(self) -> None:
        """Start it unless it runs; note if it ended though nobody had killed it."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            self.died.append(f"exit code {self._process.returncode}:\n{self.said()}")
        self._begun_at = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._line(),
                env=self._valenced._environment,
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self.starts += 1

    def wait_until_started(self) -> None:
        """Wait until it watches, or has ended."""
        while self._lives() and State.STARTING in self.states():
            time.sleep(GLANCE_S)

    def said(self) -> str:
        """Return its stderr since the last start."""
        with self._log.open("rb") as log:
            log.seek(self._begun_at)
            return log.read().decode(errors="replace")

    def states(self) -> frozenset[State]:
        """Look at how it stands."""
        if "\ncatalogue " not in self.said():
            return frozenset({State.STARTING})
        with closing(sqlite3.connect(f"file:{self._valenced.catalogue}?mode=ro", uri=True)) as seen:
            waiting, running, pending, moved, in_service = seen.execute(_SEEN).fetchone()
            taken_up = seen.execute("SELECT path FROM queue WHERE state = 'running'").fetchall()
        following = dict(_NEXT.findall(self.said()))
        stages = {STAGES.get(following.get(path, "")) for (path,) in taken_up}
        errands = self.errands().values()
        registry = self._valenced.catalogue.parent / "bundles"
        copying = any(temporaries(folder) for folder in self._folders)
        found = {
            State.QUEUED: waiting,
            State.RUNNING: running,
            **{state: state in stages for state in STAGES.values()},
            State.PENDING: pending,
            State.COPYING: copying,
            State.LEARNING: State.LEARNING in errands,
            State.PUBLISHED: published_name(registry) != in_service,
            State.SCORING: State.SCORING in errands,
            State.MOVED: moved,
        }
        return frozenset(state for state, there in found.items() if there) or frozenset(
            {State.IDLE}
        )

    def wait_for(self, state: State, patience_s: float) -> bool:
        """Freeze it in a state and tell whether that happened; it is left frozen then.

        Patience begins to run out when it has started, however busy the machine is.
        """
        until = time.monotonic() + patience_s
        while time.monotonic() < until and self._lives():
            if state in STAGES.values():
                # Too short to be seen and then frozen: frozen first, it may be it.
                self.freeze()
                if state in self.states():
                    return True
                self.thaw()
            seen = self.states()
            if state in seen:
                self.freeze()
                if state in self.states():
                    return True
                self.thaw()
            elif State.STARTING in seen:
                until = time.monotonic() + patience_s
            time.sleep(GLANCE_S)
        return False

    def freeze(self) -> None:
        """Stop every thread of it and its errands, not its workers, and wait until they stand."""
        self._send(signal.SIGSTOP)
        while self._lives() and _field(self._pid, 0) not in "Tt":
            time.sleep(GLANCE_S / 10)
        for errand in self.errands():
            send(errand, signal.SIGSTOP)
            while _field(errand, 0) not in "TtZ":
                time.sleep(GLANCE_S / 10)

    def thaw(self) -> None:
        """Let it go on."""
        for errand in self.errands():
            send(errand, signal.SIGCONT)
        self._send(signal.SIGCONT)

    def workers(self) -> list[int]:
        """Return the processes it has started, errands left out."""
        errands = self.errands()
        return [number for number in self._children() if number not in errands]

    def errands(self) -> dict[int, State]:
        """Return the errands that it has started, and what each is at."""
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
        return [number for number in numbers if _field(number, 1) == str(self._pid)]

    def peak_mib(self) -> float:
        """Return the most memory that it has had at once, without its workers, in MiB."""
        status = Path(f"/proc/{self._pid}/status").read_text(encoding="utf-8")
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024

    def kill(self) -> None:
        """Kill it, not its workers."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ask it to end, and note if it does not do so in good order."""
        assert self._process is not None
        self._process.terminate()
        code = self._process.wait(ENDS_WITHIN_S)
        self._process = None
        if code:
            self.died.append(f"exit code {code} after it was asked to end:\n{self.said()}")

    def _line(self) -> list[str | Path]:
        line = self._valenced.line("run", *self._folders)
        return line if self._through is None else [*self._through(self.starts), *line[1:]]

    @property
    def _pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _lives(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


def send(number: int, what: signal.Signals) -> None:
    """Send a signal to a worker or an errand, which may have ended by itself just now."""
    with suppress(ProcessLookupError):
        os.kill(number, what)


def temporaries(folder: Path) -> list[Path]:
    """Return what a tag write keeps in or below a folder while it lasts."""
    found = []
    for base, _, names in os.walk(folder):
        found += [Path(base, name) for name in names if name.startswith(".valenced-")]
    return found


def _field(number: int, index: int) -> str:
    """Return a field of a process's stat that comes after its name; empty if it is gone."""
    try:
        text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[index]
