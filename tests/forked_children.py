"""Starts our own modules by forking the command that starts them, which has imported them already.

A child begins as one that `python -m` has started: in a session, folder and environment of its own,
with none of the descriptors, signal handlers or exit functions of the command.
"""

from __future__ import annotations

import atexit
import gc
import logging
import os
import runpy
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.processes.child_process import WRAPPER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def fork_children(end_of: Callable[[Callable[[], object]], int]) -> None:
    """Have this process fork for what `child_process.start_child` starts, instead of executing it.

    Args:
        end_of: runs a child and what is due at its end, and returns its exit code.
    """
    execute = subprocess._fork_exec  # type: ignore[attr-defined]
    beginning = [sys.executable, "-P", "-m", WRAPPER]

    def start(line: Sequence[str], *others: Any) -> int:
        if list(line[: len(beginning)]) != beginning:
            return int(execute(line, *others))
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                sys.argv = [WRAPPER, *line[len(beginning) :]]
                _become_a_child(*others[2:13])
                code = end_of(_run_anew)
            except BaseException:  # noqa: BLE001 - nothing may go on as the command
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(code)
        return pid

    subprocess._fork_exec = start  # type: ignore[attr-defined]


def _become_a_child(
    keep: Iterable[int], folder: str, variables: Iterable[bytes], *descriptors: int
) -> None:
    stdin, _, _, stdout, _, stderr, _, started = descriptors
    # The parent waits for the end of that pipe, which comes when a program has started.
    _take_streams((stdin, stdout, stderr), {*keep} - {started})
    _forget_the_command()
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    for variable in variables:
        name, _, value = variable.partition(b"=")
        os.environb[name] = value


def _take_streams(streams: Iterable[int], kept: set[int]) -> None:
    """Set up stdin, stdout and stderr, and close all other descriptors but those kept."""
    for number, descriptor in enumerate(streams):
        if descriptor not in {-1, number}:
            os.dup2(descriptor, number)
    kept |= {0, 1, 2}
    for descriptor in [int(link.name) for link in Path("/proc/self/fd").iterdir()]:
        if descriptor not in kept:
            # The one that listed them is closed already.
            with suppress(OSError):
                os.close(descriptor)


def _forget_the_command() -> None:
    """Forget what belongs to the command alone; nothing of it is set free, as that may close."""
    gc.freeze()
    atexit._clear()
    logging.root.handlers.clear()
    logging.root.setLevel(logging.WARNING)
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _run_anew() -> None:
    """Run a module that runs the one named by its second argument, as if none were imported."""
    for module in (WRAPPER, sys.argv[2]):
        sys.modules.pop(module, None)
    runpy.run_module(WRAPPER, run_name="__main__", alter_sys=True)
