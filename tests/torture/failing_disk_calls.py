"""The real command line on a disk whose calls fail now and then.

    python -m tests.torture.failing_disk_calls LEDGER RATE SEED run DIR …

Every call by which tag writing touches a disk fails with the probability RATE: before it did its
work, after it, or, if it writes, half-way. Each failure is a line in LEDGER; once there is a file
LEDGER.calm, none fails any more. Everything else is the command `valenced` as it is installed.
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
# A descriptor that is returned after the failure would be lost, which no kernel does.
_NEVER_LATE = {"open_to_read", "open_to_change", "create"}


class Ledger(NamedTuple):
    """Where failures are noted, and where it is said that they are over."""

    path: Path

    @property
    def calm(self) -> Path:
        """The file that ends all failing by being there."""
        return self.path.with_name(self.path.name + ".calm")

    def note(self, line: str) -> None:
        """Add a line, whole or not at all whenever this process is killed."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, f"{line}\n".encode())
        os.close(descriptor)


def failing(name: str, call: Callable[..., Any], ledger: Ledger, rate: float, rng: Random) -> Any:
    """Return a method of `DiskCalls` that fails now and then."""

    @wraps(call)
    def sometimes(disk: DiskCalls, *arguments: Any) -> Any:
        if rng.random() >= rate or ledger.calm.exists():
            return call(disk, *arguments)
        number = rng.choice(ERRORS)
        late = rng.random() < 0.5 and name not in _NEVER_LATE
        ledger.note(f"{name} {errno.errorcode[number]} {'late' if late else 'early'}")
        if late and name == "write":
            descriptor, content, at = arguments
            os.pwrite(descriptor, content[: len(content) // 2], at)
        elif late:
            call(disk, *arguments)
        raise OSError(number, os.strerror(number))

    return sometimes


def through(ledger: Ledger, rate: float, seed: int, start: int) -> list[str | Path]:
    """Return what stands before the arguments of `valenced` to run it on such a disk."""
    chance = str(seed * 100_000 + start)
    return [
        sys.executable,
        "-m",
        "tests.torture.failing_disk_calls",
        ledger.path,
        str(rate),
        chance,
    ]


if __name__ == "__main__":
    _, _ledger, _rate, _seed, *_arguments = sys.argv
    _rng = Random(int(_seed))
    for _name in CALLS:
        _faulty = failing(
            _name, getattr(DiskCalls, _name), Ledger(Path(_ledger)), float(_rate), _rng
        )
        setattr(DiskCalls, _name, _faulty)
    sys.argv = ["valenced", *_arguments]
    main()
