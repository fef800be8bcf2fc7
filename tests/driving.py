"""Runs the real command as a subprocess, with its own state directory."""

from __future__ import annotations

import json
import logging
import os
import select
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Self

import pytest

from daemon.cli.main import main
from storage.catalogue import Catalogue
from tests.forked import Forked, can_fork

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence

COMMAND = Path(sys.executable).with_name("valenced")
_GROUPS = {"annotations", "bundles", "catalogue", "config", "corpus", "tags"}
PATIENCE_S = 300.0
"""How long anything may take, and a process be silent, on a machine that is busy."""
POLL_S = 0.02


def scanned(done: int, failed: int = 0, failed_before: int = 0) -> dict[str, Any]:
    """Return the document of a scan in which every file settled."""
    counts = {"done": done, "failed": failed, "failed_before": failed_before}
    return {**counts, "unsettled": [], "unread": {}}


@contextmanager
def same_logging() -> Iterator[None]:
    """Set back what a command that runs in this process changes, for the tests after this one."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def answer(monkeypatch: pytest.MonkeyPatch, *line: str) -> int:
    """Run a command in this process, and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["valenced", *line])
    with same_logging(), pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int)
    return end.value.code


def notifications(supervisor: socket.socket) -> list[str]:
    """Return the messages that a supervisor got since the last call."""
    messages = []
    while True:
        try:
            messages.append(supervisor.recv(4096).decode())
        except BlockingIOError:
            return messages


class Valenced:
    """An installation: a state directory, and the commands run on it.

    Args:
        state: the state directory.
        settings: given with --set to every command.
        by: a program, with its arguments, that runs every command.

    Attributes:
        catalogue: the file of the catalogue.
        environment: variables of every command.
        stderr: of the last command that ended.
    """

    def __init__(self, state: Path, *settings: str, by: Sequence[str] = ()) -> None:
        self.catalogue = state / "catalogue.db"
        others = {
            key: value for key, value in os.environ.items() if not key.startswith("VALENCED_")
        }
        self.environment = others | {
            "STATE_DIRECTORY": str(state),
            "HOME": str(state),
            # Starting another worker costs more than reading the few short sounds of a test.
            "VALENCED_ANALYSIS_WORKERS": "1",
        }
        self._by = by
        self._settings = [part for setting in settings for part in ("--set", setting)]

    def __call__(self, *arguments: str | Path, exit_code: int = 0) -> bytes:
        """Run a command to its end and return its stdout."""
        done = self.ended(*arguments)
        self.stderr = done.stderr.decode(errors="replace")
        assert done.returncode == exit_code, self.stderr
        return done.stdout

    def ended(self, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end, whatever its exit code."""
        with TemporaryFile() as answer:
            process = self.launch(*arguments, stdout=answer.fileno())
            _, errors = process.communicate()
            answer.seek(0)
            return subprocess.CompletedProcess(arguments, process.wait(), answer.read(), errors)

    def create_catalogue(self) -> None:
        """Make an empty catalogue, as the first start does."""
        Catalogue(f"sqlite:///{self.catalogue}").close()

    def read(self, *arguments: str | Path, exit_code: int = 0) -> Any:
        """Run a command with `--format json` and return its document."""
        return json.loads(self(*arguments, "--format", "json", exit_code=exit_code))

    def start(self, *arguments: str | Path) -> Running:
        """Start a command and return while it runs."""
        return Running(self.launch(*arguments))

    def launch(
        self,
        *arguments: str | Path,
        stdout: int = subprocess.DEVNULL,
        stderr: int = subprocess.PIPE,
    ) -> subprocess.Popen[bytes] | Forked:
        """Start a command as `subprocess.Popen` does, but without importing every module again."""
        line = self.line(*arguments)
        if self._by or not can_fork(self.environment):
            return subprocess.Popen(line, env=self.environment, stdout=stdout, stderr=stderr)
        return Forked(line, self.environment, stdout, stderr)

    def start_line(self, line: list[str | Path]) -> Running:
        """Start any program in this installation's environment."""
        return Running(
            subprocess.Popen(
                line, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        )

    def piped(self, line: Sequence[str | Path], reader: str) -> subprocess.CompletedProcess[bytes]:
        """Pipe a command line into a reader by a real shell; the exit code is the command's."""
        script = f"{shlex.join(map(str, line))} | {reader}; exit ${{PIPESTATUS[0]}}"
        return subprocess.run(
            ["bash", "-c", script], env=self.environment, capture_output=True, check=False
        )

    def select(self, statement: str) -> list[tuple[Any, ...]]:
        """Query the catalogue as a user with `sqlite3` would; text comes as bytes."""
        with closing(sqlite3.connect(self.catalogue)) as plain:
            plain.text_factory = bytes
            return plain.execute(statement).fetchall()

    def line(self, *arguments: str | Path) -> list[str | Path]:
        """Return the command line with this installation's settings inserted."""
        split = 2 if arguments[0] in _GROUPS else 1
        return [*self._by, COMMAND, *arguments[:split], *self._settings, *arguments[split:]]


class Running:
    """A process whose stderr is read line by line; it is killed at the end of its `with` block.

    Attributes:
        process: the process.
        lines: its stderr so far.
    """

    def __init__(self, process: subprocess.Popen[bytes] | Forked) -> None:
        self.process = process
        self._unread = b""
        self.lines: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def wait_for(self, *texts: str) -> str:
        """Return the next line of stderr that contains all texts."""
        for line in self._lines():
            if all(text in line for text in texts):
                return line
        raise AssertionError(f"ended without logging {texts}:\n" + "\n".join(self.lines))

    def wait_until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds while the process runs; its stderr may not fill the pipe."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not holds():
            assert self.process.poll() is None, "ended meanwhile"
            assert time.monotonic() < deadline_s, f"not within {PATIENCE_S:g} s"
            time.sleep(POLL_S)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, read stderr to its end, return the exit code."""
        self.process.send_signal(number)
        for _ in self._lines():
            pass
        return self.process.wait(PATIENCE_S)

    def _lines(self) -> Iterator[str]:
        assert self.process.stderr is not None
        descriptor = self.process.stderr.fileno()
        while True:
            line, found, rest = self._unread.partition(b"\n")
            if found:
                self._unread = rest
                self.lines.append(line.decode(errors="replace"))
                yield self.lines[-1]
                continue
            ready, _, _ = select.select([descriptor], [], [], PATIENCE_S)
            assert ready, f"silent for {PATIENCE_S:g} s after:\n" + "\n".join(self.lines)
            block = os.read(descriptor, 65536)
            if not block:
                return
            self._unread += block
