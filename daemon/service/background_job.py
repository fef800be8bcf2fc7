"""Runs a long job, such as retraining, in a low-priority subprocess."""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from daemon.service_errors import WorkerError
from storage.database.engine import absolute_url
from trainer.processes.child_process import exit_status_within, start_child

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STOP_TIMEOUT_S = 10.0
# A job must not use every processor, and on a busy machine the threads of one matrix product wait
# for one another.
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# Names of jobs, in the log.
TRAINING: Final = "training"
RESCORING: Final = "rescoring"


class BackgroundJob:
    """One of our modules, run in a subprocess until it ends or is stopped.

    It may be killed at any time without losing anything, and it ends with this process.

    Raises:
        WorkerError: it cannot be started at present.
    """

    def __init__(self, name: str, module: str, arguments: Sequence[str]) -> None:
        self.name = name
        # A pipe that nobody reads could block the job.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        try:
            self._process = start_child(module, arguments, ONE_THREAD, stderr=self._stderr)
        except OSError as error:
            self._stderr.close()
            raise WorkerError(f"{name} cannot be started: {error.strerror or error}") from error

    def wait(self) -> None:
        """Wait until it ends."""
        self._process.wait()

    def exit_status(self) -> tuple[int, str] | None:
        """Return its exit code and the last line of its stderr; None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").splitlines()
        return code, lines[-1] if lines else ""

    def stop(self) -> None:
        """End it and every process that it started, and release its resources."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            if exit_status_within(self._process, STOP_TIMEOUT_S) is not None:
                break
        self._stderr.close()


def retrain_job(url: str, registry: Path, corpora: Path, keep: int) -> BackgroundJob:
    """Fit a candidate on annotations and corpora, and publish it if it is better.

    The registry keeps the latest `keep` candidates.
    """
    arguments = [absolute_url(url), str(registry.absolute()), str(keep), str(corpora.absolute())]
    return BackgroundJob(TRAINING, "trainer.processes.retrain_process", arguments)


def rescore_job(url: str, bundle: Path, step: int) -> BackgroundJob:
    """Predict again every sound that was predicted by another bundle than this directory's.

    Tags are written again where a value moves by at least `step` hundredths.
    """
    arguments = [absolute_url(url), str(bundle.absolute()), "--step", str(step)]
    return BackgroundJob(RESCORING, "trainer.processes.rescore_process", arguments)
