"""Drives the real command in a real process, with a state directory of its own."""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

COMMAND = Path(sys.executable).with_name("valenced")
PATIENCE_S = 90.0


def scanned(done: int, failed: int = 0, failed_before: int = 0) -> dict[str, Any]:
    """Return the document of a scan that waited for every file."""
    return {"done": done, "failed": failed, "failed_before": failed_before, "unsettled": []}


def heard(supervisor: socket.socket) -> list[str]:
    """Return what a supervisor was told since it was last asked."""
    notices = []
    while True:
        try:
            notices.append(supervisor.recv(4096).decode())
        except BlockingIOError:
            return notices


class Valenced:
    """One installation: a state directory, and whatever is run on it.

    Args:
        state: the state directory.
        settings: given with --set to every command.
        by: a program, with its arguments, that runs every command.
    """

    def __init__(self, state: Path, *settings: str, by: Sequence[str] = ()) -> None:
        self.catalogue = state / "catalogue.db"
        kept = {key: value for key, value in os.environ.items() if not key.startswith("VALENCED_")}
        self.environment = kept | {"STATE_DIRECTORY": str(state), "HOME": str(state)}
        self._by = by
        self._settings = [part for setting in settings for part in ("--set", setting)]

    def __call__(self, *arguments: str | Path, exit_code: int = 0) -> bytes:
        """Run a command to its end and return its stdout."""
        done = subprocess.run(
            self.line(*arguments), env=self.environment, capture_output=True, check=False
        )
        assert done.returncode == exit_code, done.stderr.decode(errors="replace")
        self.said = done.stderr.decode(errors="replace")
        return done.stdout

    def read(self, *arguments: str | Path, exit_code: int = 0) -> Any:
        """Run a command with `--format json` and return its document."""
        return json.loads(self(*arguments, "--format", "json", exit_code=exit_code))

    def start(self, *arguments: str | Path) -> Running:
        """Start a command that goes on."""
        return self.start_line(self.line(*arguments))

    def start_line(self, line: list[str | Path]) -> Running:
        """Start a whole command line of any program, in this installation's environment."""
        return Running(line, self.environment)

    def piped(self, line: Sequence[str | Path], reader: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command line into a reader by a real shell; the exit code is its own."""
        script = f"{shlex.join(map(str, line))} | {reader}; exit ${{PIPESTATUS[0]}}"
        return subprocess.run(
            ["bash", "-c", script], env=self.environment, capture_output=True, check=False
        )

    def select(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the catalogue as a user with `sqlite3` would; text comes as bytes."""
        with closing(sqlite3.connect(self.catalogue)) as plain:
            plain.text_factory = bytes
            return plain.execute(statement).fetchall()

    def line(self, *arguments: str | Path) -> list[str | Path]:
        """Return the command line with this installation's settings put in."""
        split = 2 if arguments[0] in {"tags", "config", "bundles", "corpus"} else 1
        return [*self._by, COMMAND, *arguments[:split], *self._settings, *arguments[split:]]


class Running:
    """A process whose stderr is read line by line; it is killed if a test leaves it behind."""

    def __init__(self, line: list[str | Path], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._unread = b""
        self.said: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def wait_for(self, *texts: str) -> str:
        """Return the next line that holds all the texts."""
        for line in self._lines():
            if all(text in line for text in texts):
                return line
        raise AssertionError(f"ended without saying {texts}:\n" + "\n".join(self.said))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, read to the end, return the exit code."""
        self.process.send_signal(number)
        for _ in self._lines():
            pass
        return self.process.wait(PATIENCE_S)

    def _lines(self) -> Iterator[str]:
        assert self.process.stderr is not None
        deadline = time.monotonic() + PATIENCE_S
        descriptor = self.process.stderr.fileno()
        while True:
            line, found, rest = self._unread.partition(b"\n")
            if found:
                self._unread = rest
                self.said.append(line.decode(errors="replace"))
                yield self.said[-1]
                continue
            ready, _, _ = select.select([descriptor], [], [], deadline - time.monotonic())
            assert ready, f"silent for {PATIENCE_S:g} s after:\n" + "\n".join(self.said)
            piece = os.read(descriptor, 65536)
            if not piece:
                return
            self._unread += piece
