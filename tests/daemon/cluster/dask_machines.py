"""Forks a Dask scheduler and workers, since importing Dask takes a second of processor time each.

Run as a program. It reads lines from stdin, and answers each with the process and the address:

    scheduler
    worker SCHEDULER NAME ROLE HEARD    each sound it is asked for adds a line to the file HEARD
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from distributed import Scheduler, Worker

from daemon.cluster import cluster_task

if TYPE_CHECKING:
    from collections.abc import Mapping

_PR_SET_PDEATHSIG: Final = 1
FITS_OF_THE_MORTAL: Final = 12


def _become(role: str, name: str, heard: str) -> None:
    """Let this process play a role, and note what it is asked for."""
    honest, versions, asked = cluster_task.hear, cluster_task.versions, count()

    def hear(task: Mapping[str, Any]) -> object:
        with Path(heard).open("a") as stream:
            stream.write(f"{name} {'windows' if 'sound' in task else 'file'} {task['path']}\n")
        if role != "lying":
            return honest(task)
        other = json.loads(honest(task)) | {"identity": "ab12"}
        return (json.dumps(other).encode(), b"no JSON", {"no": "bytes"})[next(asked) % 3]

    cluster_task.hear = hear  # type: ignore[assignment]
    if role == "mortal":
        _die_after(FITS_OF_THE_MORTAL)
    if role == "old":
        cluster_task.versions = lambda: versions() | {"numpy": "1.0.0"}


def _die_after(fits: int) -> None:
    """End this process as a power cut would, when it is asked for one more fit."""
    from trainer.experiments.cells import Study  # noqa: PLC0415 - takes a second

    honest, asked = Study.fit_cell, count()

    def fit_cell(study: Study, recipe: Any, split: Any) -> Any:
        if next(asked) == fits:
            os.kill(os.getpid(), signal.SIGKILL)
        return honest(study, recipe, split)

    Study.fit_cell = fit_cell  # type: ignore[assignment, method-assign]


async def _serve(kind: str, arguments: list[str], ready: int) -> None:
    if kind == "scheduler":
        server: Any = Scheduler(host="127.0.0.1", port=0, dashboard=False)
    else:
        scheduler, name, role, heard = arguments
        _become(role, name, heard)
        server = Worker(scheduler, nthreads=1, name=name, host="127.0.0.1", dashboard=False)
    async with server:
        os.write(ready, f"{server.address}\n".encode())
        await server.finished()


def main() -> None:
    """Fork a process for each line."""
    for line in sys.stdin:
        kind, *arguments = line.split()
        readable, writable = os.pipe()
        if (pid := os.fork()) == 0:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            asyncio.run(_serve(kind, arguments, writable))
            os._exit(0)
        os.close(writable)
        with os.fdopen(readable) as stream:
            address = stream.readline().strip()
        sys.stdout.write(f"{pid} {address}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
