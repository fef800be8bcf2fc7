"""The client side of a worker process: requests with a timeout, and a new process for a dead one.

Each consumer thread owns one `WorkerClient`. The thread sleeps in the kernel while its worker is
busy, so an idle service costs nothing. A worker that crashes or hangs costs its own file one
attempt.
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import socket
import subprocess
import sys
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.service_errors import WorkerError
from daemon.tagging.disk.file_reading import FileReading
from storage.schema.records import FeatureRecord, Prediction
from trainer.bundles.bundle_manifest import Manifest
from trainer.trainer_errors import BundleError, UnreadableClip, UnusableClip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config.settings import AnalysisSettings

log = logging.getLogger(__name__)

LARGEST_ANSWER = 64 * 1024 * 1024
START_LIMIT_S = 60.0
WORKER_ENVIRONMENT = {
    # One thread each: the number of workers already matches the processors.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # A confined process can make no semaphores, and joblib would complain.
    "JOBLIB_MULTIPROCESSING": "0",
}
PREPARE_LIMIT_S = 600.0


@dataclass(frozen=True)
class WorkerLimits:
    """What one worker may use.

    Attributes:
        timeout_s: how long one request may take.
        memory_mib: most private memory, in MiB.
        nice: how far the process stands back for others, 0 to 19.
        renew_after: how many files one process reads before another takes its place.
    """

    timeout_s: float
    memory_mib: int
    nice: int
    renew_after: int = 1000

    @classmethod
    def of(cls, analysis: AnalysisSettings) -> WorkerLimits:
        """Take the limits from the settings."""
        return cls(analysis.timeout_s, analysis.memory_mib, analysis.nice, analysis.renew_after)


@dataclass(frozen=True)
class ExtractedClip:
    """What a worker heard.

    Attributes:
        hearing: the descriptors of the whole, as the catalogue keeps them.
        windows: the packed vector of each window.
        starts_s: where each window starts, in seconds.
    """

    hearing: FeatureRecord
    windows: Sequence[bytes]
    starts_s: Sequence[float]


@dataclass(frozen=True)
class _Running:
    process: subprocess.Popen[bytes]
    connection: Connection


class WorkerClient:
    """A process that reads sound, started when first asked and started anew when it died.

    Args:
        limits: on time, memory and priority.
    """

    def __init__(self, limits: WorkerLimits) -> None:
        self._limits = limits
        self._running: _Running | None = None
        self._last_read: Path | None = None
        self._files_read = 0
        self._is_confined: bool | None = None

    def warm(self, bundle: Path) -> None:
        """Load everything a first file would wait for.

        Raises:
            BundleError: the bundle cannot be used.
        """
        answer = self._ask(bundle, {"do": "warm", "bundle": str(bundle)}, START_LIMIT_S)
        _check(bundle, answer)

    def prepare(self, registry: Path) -> tuple[Path, Manifest]:
        """Make sure that a usable bundle is published, fitted again if libraries have changed.

        Returns:
            Its directory and its verified manifest.

        Raises:
            BundleError: none can be used.
        """
        request = {"do": "prepare", "registry": str(registry)}
        answer = self._ask(registry, request, PREPARE_LIMIT_S)
        _check(registry, answer)
        return Path(answer["directory"]), Manifest.model_validate_json(answer["manifest"])

    def identify(self, path: Path) -> str:
        """Hash the audio packets of a file.

        Raises:
            UnreadableClip: it holds no audio, cannot be read, or took too long.
        """
        return str(self._asked(path, do="identify")["identity"])

    def read_back(self, path: Path, *, hashed: bool = True) -> FileReading:
        """Read what a tag write must leave as it was: metadata and, if `hashed`, all of the audio.

        Raises:
            UnreadableClip: as `identify`.
        """
        answer = self._asked(path, do="read_back", hashed=hashed)
        metadata = answer["metadata"]
        items = None if metadata is None else [tuple(map(str, item)) for item in metadata]
        return FileReading(answer["audio_hash"], items)

    def hear(self, path: Path, identity: str) -> ExtractedClip:
        """Describe the sound of a file.

        Raises:
            UnreadableClip: it cannot be decoded, or took too long.
            UnusableClip: it holds nothing that can be described.
        """
        answer = self._asked(path, do="hear")
        return ExtractedClip(
            FeatureRecord(
                identity=identity,
                settings=str(answer["settings"]),
                duration_s=float(answer["duration_s"]),
                vector=b64decode(answer["vector"]),
            ),
            [b64decode(window) for window in answer["windows"]],
            [float(start) for start in answer["starts_s"]],
        )

    def predict(self, path: Path, bundle: Path, vectors: Sequence[bytes]) -> list[Prediction]:
        """Have a bundle predict the affect of packed vectors; `path` is named if that fails.

        Raises:
            BundleError: the bundle cannot be used.
            UnreadableClip: the worker died or took too long.
        """
        texts = [b64encode(vector).decode("ascii") for vector in vectors]
        answer = self._asked(path, do="predict", bundle=str(bundle), vectors=texts)
        return [Prediction(bundle=answer["name"], **row) for row in answer["predictions"]]

    def close(self) -> None:
        """End the process, if there is one; the next request starts another."""
        if self._running is not None:
            self._running.connection.close()
            self._reap(self._running.process)
            self._running = None

    def _asked(self, path: Path, **request: Any) -> dict[str, Any]:
        self._turn_to(path)
        request.setdefault("path", os.fspath(path))
        answer = self._ask(path, request, self._limits.timeout_s)
        _check(path, answer)
        return answer

    def _turn_to(self, path: Path) -> None:
        """Count the files, and begin one with a new process when the old one has had enough."""
        if path == self._last_read:
            return
        self._last_read = path
        self._files_read += 1
        if self._files_read > self._limits.renew_after:
            self.close()
            self._files_read = 1

    def _ask(self, path: Path, request: dict[str, Any], limit_s: float) -> dict[str, Any]:
        running = self._running or self._started()
        request["limit_s"] = math.ceil(limit_s)
        try:
            running.connection.send_bytes(json.dumps(request).encode("ascii"))
            if not running.connection.poll(limit_s):
                self._kill()
                raise UnreadableClip(
                    path, f"no result within {limit_s:g} s; its worker was stopped"
                )
            answer = json.loads(running.connection.recv_bytes(LARGEST_ANSWER))
        except (EOFError, OSError, ValueError) as error:
            status = self._kill()
            raise UnreadableClip(path, f"the worker that read it {_ending(status)}") from error
        if not isinstance(answer, dict):
            self._kill()
            raise UnreadableClip(path, "the worker that read it answered nonsense")
        self._note_confinement(answer.pop("confined", None))
        return answer

    def _note_confinement(self, is_confined: object) -> None:
        """Say once whether the kernel confines what reads sound."""
        if is_confined is None or self._is_confined is not None:
            return
        self._is_confined = bool(is_confined)
        if self._is_confined:
            log.debug("the worker that reads sound is confined by Landlock")
        else:
            log.warning(
                "the worker that reads sound is not confined (no Landlock here): a crafted file"
                " that takes it over could write what the service can"
            )

    def _started(self) -> _Running:
        try:
            return self._start()
        except OSError as error:
            raise WorkerError(f"no worker can be started: {error.strerror or error}") from error

    def _start(self) -> _Running:
        ours, theirs = socket.socketpair()
        environment = os.environ | WORKER_ENVIRONMENT
        arguments = (theirs.fileno(), self._limits.nice, self._limits.memory_mib)
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
                [sys.executable, "-m", "trainer.processes.worker", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=environment,
                # Ctrl-C in a terminal is for the service alone, which lets its workers finish.
                start_new_session=True,
            )
        self._running = _Running(process, Connection(ours.detach()))
        self._files_read = min(self._files_read, 1)
        return self._running

    def _kill(self) -> int | None:
        assert self._running is not None
        self._running.connection.close()
        process = self._running.process
        self._running = None
        try:
            return process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            _end(process)
            return None

    @staticmethod
    def _reap(process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker with everything that it may have started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _check(path: Path, answer: dict[str, Any]) -> None:
    if "unreadable" in answer:
        raise UnreadableClip(path, str(answer["unreadable"]))
    if "unusable" in answer:
        raise UnusableClip(path, str(answer["unusable"]))
    if "bundle" in answer:
        raise BundleError(str(answer["bundle"]))


def _ending(status: int | None) -> str:
    if status is None:
        return "answered nonsense and was stopped"
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
