"""Starts our own modules as subprocesses, wherever the command was typed."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WRAPPER: Final = "trainer.processes.die_with_parent"


def child_command(module: str, arguments: Sequence[str]) -> list[str]:
    """Return the command line that runs one of our modules until this thread ends.

    `python -m` alone would import from the current directory first, and that may be anybody's: an
    album that brings a `json.py` must not run. `-I` would also hide packages that were installed
    for one user, or are found by PYTHONPATH.
    """
    return [sys.executable, "-P", "-m", WRAPPER, str(os.getpid()), module, *arguments]


def start_child(
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    stderr: IO[bytes] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start one of our modules, in a session of its own, in the directory `/`.

    Args:
        module: its name.
        arguments: of its command line; paths among them must be absolute.
        environment: variables in addition to those of this process.
        stderr: where its errors go; None for where ours go.
        pass_fds: descriptors that stay open in it.

    Raises:
        OSError: it cannot be started.
    """
    return subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
        child_command(module, arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        pass_fds=pass_fds,
        # An empty element of PYTHONPATH means the current directory.
        cwd="/",
        env=os.environ | environment,
        # Ctrl-C in a terminal is for the service alone, which lets its children finish.
        start_new_session=True,
    )


def exit_status_within(process: subprocess.Popen[bytes], timeout_s: float) -> int | None:
    """Return the exit status of a process when it ends, None if it has not after that time.

    `Popen.wait` with a time limit looks again and again, and its sleeps fail with an error where
    the clock of the process is set back by a library that it was started with.
    """
    status = process.poll()
    if status is not None:
        return status
    descriptor = os.pidfd_open(process.pid)
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        poller.poll(timeout_s * 1000)
    finally:
        os.close(descriptor)
    return process.poll()
