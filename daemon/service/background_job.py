"""Runs a long job, such as retraining, in a low-priority subprocess."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from daemon.service_errors import WorkerError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STOP_TIMEOUT_S = 10.0
# A job must not use every processor, and on a busy machine the threads of one matrix product wait
# for one another.
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
LEARN: Final = "learn"
SCORE: Final = "score again"
RETAG: Final = "write tags"


class BackgroundJob:
    """One of our modules, running as a program until it ends or is stopped.

    It may be killed at any time without losing anything, and it ends with this process.

    Args:
        name: its name in the log.
        module: run with `python -m`.
        arguments: of the program.

    Raises:
        WorkerError: it cannot be started at present.
    """

    def __init__(self, name: str, module: str, arguments: Sequence[str]) -> None:
        self.name = name
        # A pipe that nobody reads could block the job.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        wrapper = [sys.executable, "-m", "trainer.processes.die_with_parent", str(os.getpid())]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
                [*wrapper, module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                env=os.environ | ONE_THREAD,
                # Ctrl-C in a terminal is for the service alone.
                start_new_session=True,
            )
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
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
                break
        self._stderr.close()


@dataclass(frozen=True)
class JobCommands:
    """Starts the background jobs of one catalogue. Each raises WorkerError if it cannot start.

    Attributes:
        url: of the catalogue.
        registry: folder of the bundles.
        corpora: folder of the imported corpora.
        keep: how many candidates stay in the registry.
        step: by how many hundredths a value must move for its tags to be written again.
    """

    url: str
    registry: Path
    corpora: Path
    keep: int
    step: int

    def retrain(self) -> BackgroundJob:
        """Fit a candidate on the annotations, and publish it if it is better."""
        arguments = [self.url, str(self.registry), str(self.keep), str(self.corpora)]
        return BackgroundJob(LEARN, "trainer.processes.retrain_process", arguments)

    def rescore(self, bundle: Path) -> BackgroundJob:
        """Predict by the bundle of a directory every sound that another bundle has predicted."""
        arguments = [self.url, str(bundle), "--step", str(self.step)]
        return BackgroundJob(SCORE, "trainer.processes.rescore_process", arguments)
