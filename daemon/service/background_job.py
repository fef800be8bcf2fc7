"""Long work in a process of its own, beside the service and behind everything else."""

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

LONGEST_END_S = 10.0
# What runs beside the service shall not take every processor, and on a busy machine the threads
# of one product wait for one another.
ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
LEARN: Final = "learn"
SCORE: Final = "score again"
RETAG: Final = "write tags"


class BackgroundJob:
    """A module of ours that runs as a program until it ends by itself or is called back.

    It may be killed at any time, and is written so that nothing is lost by that; it ends with us.

    Args:
        name: what it is called in the log.
        module: run with `python -m`.
        arguments: given to it.

    Raises:
        WorkerError: it cannot be started just now.
    """

    def __init__(self, name: str, module: str, arguments: Sequence[str]) -> None:
        self.name = name
        # Its last words; a pipe that nobody reads could hold it up.
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
                [
                    sys.executable,
                    "-m",
                    "trainer.processes.die_with_parent",
                    str(os.getpid()),
                    module,
                    *arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._words,
                env=os.environ | ONE_THREAD,
                # Ctrl-C in a terminal is for the service alone.
                start_new_session=True,
            )
        except OSError as error:
            self._words.close()
            raise WorkerError(f"{name} cannot be started: {error.strerror or error}") from error

    def wait(self) -> None:
        """Wait until it ends."""
        self._process.wait()

    def exit_status(self) -> tuple[int, str] | None:
        """Return its exit code and its last line once it has ended, None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        self._words.seek(0)
        lines = self._words.read().decode(errors="replace").splitlines()
        return code, lines[-1] if lines else ""

    def stop(self) -> None:
        """End it, with everything that it may have started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LONGEST_END_S)
                break
        self._words.close()


@dataclass(frozen=True)
class JobCommands:
    """The errands there are, and what they work on.

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
        """Fit a candidate on the annotations, and publish it if it is better.

        Raises:
            WorkerError: it cannot be started just now.
        """
        arguments = [self.url, str(self.registry), str(self.keep), str(self.corpora)]
        return BackgroundJob(LEARN, "trainer.processes.retrain_process", arguments)

    def rescore(self, bundle: Path) -> BackgroundJob:
        """Have the bundle of a directory predict every known sound that another has predicted.

        Raises:
            WorkerError: it cannot be started just now.
        """
        arguments = [self.url, str(bundle), "--step", str(self.step)]
        return BackgroundJob(SCORE, "trainer.processes.rescore_process", arguments)
