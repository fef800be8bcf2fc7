"""Runs the command `valenced` with disk calls that fail at random.

    python -m tests.torture.failing_disk_calls FAILURE_LOG RATE SEED run DIR …

Each call of `DiskCalls`, by which tags are written, fails with probability RATE: before it did its
work, after it, or, if it writes, half-way. Each failure adds a line to FAILURE_LOG. Once a file
FAILURE_LOG.stop exists, no call fails any more. Everything else is the installed command.
"""

from __future__ import annotations

import errno
import os
import sys
from functools import wraps
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from daemon.cli.main import main
from daemon.tagging.disk.syscalls import DiskCalls

if TYPE_CHECKING:
    from collections.abc import Callable

ERRORS = (errno.EIO, errno.ENOSPC, errno.EINTR)
CALLS = tuple(name for name in vars(DiskCalls) if not name.startswith("_"))
# A descriptor returned together with a failure would leak, which no kernel does.
_ONLY_EARLY = {"open_folder", "open_to_read", "open_to_change", "create"}


class FailureLog(NamedTuple):
    """The file that lists the failures, and the one that ends them."""

    path: Path

    @property
    def stop_file(self) -> Path:
        """The file that ends all failures once it exists."""
        return self.path.with_name(self.path.name + ".stop")

    def add(self, line: str) -> None:
        """Add a line by one system call, so that a kill cannot cut it."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, f"{line}\n".encode())
        os.close(descriptor)


def failing(name: str, call: Callable[..., Any], log: FailureLog, rate: float, rng: Random) -> Any:
    """Return a method of `DiskCalls` that fails at random."""

    @wraps(call)
    def sometimes(disk: DiskCalls, *arguments: Any) -> Any:
        if rng.random() >= rate or log.stop_file.exists():
            return call(disk, *arguments)
        number = rng.choice(ERRORS)
        late = rng.random() < 0.5 and name not in _ONLY_EARLY
        log.add(f"{name} {errno.errorcode[number]} {'late' if late else 'early'}")
        if late and name == "write":
            descriptor, content, at = arguments
            os.pwrite(descriptor, content[: len(content) // 2], at)
        elif late:
            call(disk, *arguments)
        raise OSError(number, os.strerror(number))

    return sometimes


def command(log: FailureLog, rate: float, seed: int, start: int) -> list[str | Path]:
    """Return the command to run instead of `valenced`; each start of a run fails differently."""
    own_seed = str(seed * 100_000 + start)
    module = "tests.torture.failing_disk_calls"
    return [sys.executable, "-m", module, log.path, str(rate), own_seed]


if __name__ == "__main__":
    _, _log, _rate, _seed, *_arguments = sys.argv
    _rng = Random(int(_seed))
    for _name in CALLS:
        _call = getattr(DiskCalls, _name)
        setattr(DiskCalls, _name, failing(_name, _call, FailureLog(Path(_log)), float(_rate), _rng))
    sys.argv = ["valenced", *_arguments]
    main()
