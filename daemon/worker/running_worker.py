"""A worker process that runs: how it is started, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from trainer.processes.child_process import exit_status_within, start_child

if TYPE_CHECKING:
    import subprocess

    from config.settings import AnalysisSettings
    from daemon.worker.active_bundle import ActiveBundle

WORKER_ENVIRONMENT: Final = {
    # One thread each: the number of workers already matches the processors.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # A confined process can make no semaphores, and joblib would warn of it.
    "JOBLIB_MULTIPROCESSING": "0",
}


@dataclass
class RunningWorker:
    """A worker process.

    Attributes:
        process: it leads a process group.
        channel: leads to it.
        bundle: the bundle that it has loaded.
        is_confined: whether it has given up everything but reading; it can load no bundle then.
    """

    process: subprocess.Popen[bytes]
    channel: socket.socket
    bundle: ActiveBundle | None = None
    is_confined: bool = False

    @classmethod
    def start(cls, limits: AnalysisSettings) -> Self:
        """Start one; raises OSError if there are no resources for it."""
        ours, theirs = socket.socketpair()
        arguments = (theirs.fileno(), limits.nice, limits.memory_mib)
        try:
            with theirs:
                process = start_child(
                    "daemon.worker.worker_process",
                    [*map(str, arguments)],
                    WORKER_ENVIRONMENT,
                    pass_fds=[theirs.fileno()],
                )
        except OSError:
            ours.close()
            raise
        return cls(process, ours)

    def end(self, patience_s: float = 1) -> int | None:
        """End the process by closing its socket, else with everything that it may have started.

        Returns:
            Its exit status, None if it had to be killed.
        """
        self.channel.close()
        status = exit_status_within(self.process, patience_s)
        if status is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        return status


def how_it_ended(status: int | None) -> str:
    """Say what an exit status, or None after a kill, means."""
    if status is None:
        return "gave an invalid answer and was stopped"
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
