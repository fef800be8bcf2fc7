"""Starts commands by forking from one process that has imported every module."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "TZ", "MALLOC_", "GLIBC_", "OMP_", "OPENBLAS_")
"""How variables begin that an interpreter, or a library in it, reads only when it starts."""


def can_fork(environment: Mapping[str, str]) -> bool:
    """Tell whether a fork in this environment is as a process that was started in it."""
    return _read_at_start(environment) == _read_at_start(_source()[1])


class Forked:
    """A running command; has what the tests use of `subprocess.Popen`.

    Args:
        line: its arguments, beginning with the command.
        environment: its environment, of which `can_fork` holds.
        stdout: a descriptor, or `subprocess.DEVNULL`.
        stderr: a descriptor, or `subprocess.PIPE`.

    Attributes:
        pid: of the process.
        returncode: None while it was not seen to have ended.
        stderr: the end of the pipe, None without one.
    """

    def __init__(
        self, line: Sequence[str | Path], environment: Mapping[str, str], stdout: int, stderr: int
    ) -> None:
        umask = os.umask(0o077)
        os.umask(umask)
        request = {
            "line": [os.fsdecode(part) for part in line],
            "environment": dict(environment),
            "folder": str(Path.cwd()),
            "umask": umask,
        }
        self.returncode: int | None = None
        self._answers, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.stderr: IO[bytes] | None = None
        with ExitStack() as opened:
            opened.enter_context(theirs)
            nothing = opened.enter_context(Path(os.devnull).open("r+b", buffering=0)).fileno()
            if stderr == subprocess.PIPE:
                readable, stderr = os.pipe()
                opened.callback(os.close, stderr)
                self.stderr = os.fdopen(readable, "rb")
            stdout = nothing if stdout == subprocess.DEVNULL else stdout
            descriptors = [nothing, stdout, stderr, theirs.fileno()]
            socket.send_fds(_source()[0], [json.dumps(request).encode()], descriptors)
        self.pid = int(self._answers.recv(32))

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended, and return its exit code."""
        if self.returncode is None:
            readable, _, _ = select.select([self._answers], [], [], timeout)
            if not readable:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            self.returncode = int(self._answers.recv(32))
            self._answers.close()
        return self.returncode

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end unless it has."""
        self.send_signal(signal.SIGTERM)

    def communicate(self) -> tuple[None, bytes]:
        """Read stderr to its end, and wait."""
        assert self.stderr is not None
        with self.stderr:
            rest = self.stderr.read()
        self.wait()
        return None, rest


@cache
def _source() -> tuple[socket.socket, dict[str, str], subprocess.Popen[bytes]]:
    """Start the process that forks; return the socket for requests, its environment, and it.

    It ends when the socket is closed, with this process.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = dict(os.environ)
    with theirs:
        source = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("preloaded.py"))],
            env=environment,
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
        )
    return ours, environment, source


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in environment.items() if key.startswith(READ_AT_START)}
