"""The service's side of a worker process: requests with a time limit, and restart after a crash.

Each consumer thread owns one `WorkerClient`. It sleeps in the kernel while its worker is busy, so
an idle service costs nothing. A worker that crashes or hangs costs its own file one attempt.
"""

from __future__ import annotations

import logging
import math
import os
import secrets
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from daemon.service_errors import WorkerError
from daemon.worker.worker_answers import INVALID, analysis_in, features_in, identity_in, reading_in
from daemon.worker.worker_channel import has_something, receive_answer, send
from trainer.audio.sound_file import SoundFile, opened
from trainer.bundles.bundle_manifest import Manifest
from trainer.trainer_errors import BundleError, UnreadableClip, UnusableClip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from config.settings import AnalysisSettings
    from daemon.tagging.disk.source import FileReading
    from daemon.worker.active_bundle import ActiveBundle
    from storage.schema.records import Analysis, FeatureRecord

log = logging.getLogger(__name__)

Answer = dict[str, Any]
_Value = TypeVar("_Value")

_INVALID = "the worker that read it gave an invalid answer and was stopped"

LARGEST_ANSWER = 64 * 1024 * 1024
START_LIMIT_S = 60.0
PREPARE_LIMIT_S = 600.0
WORKER_ENVIRONMENT = {
    # One thread each: the number of workers already matches the processors.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # A confined process can make no semaphores, and joblib would warn of it.
    "JOBLIB_MULTIPROCESSING": "0",
}


@dataclass(frozen=True)
class _Running:
    process: subprocess.Popen[bytes]
    channel: socket.socket


class WorkerClient:
    """A subprocess that reads sound files, started by the first request and after each crash.

    Files are opened here, and their descriptors passed on; a path must not be a symbolic link.

    Args:
        limits: the time of a request, the memory and the niceness of a process, and after how many
            files another takes over.
    """

    def __init__(self, limits: AnalysisSettings) -> None:
        self._limits = limits
        self._running: _Running | None = None
        self._last_file: Path | None = None
        self._files_read = 0
        self._is_confined: bool | None = None

    def warm(self, bundle: ActiveBundle) -> None:
        """Load everything the first file would wait for.

        Raises:
            BundleError: the bundle cannot be used.
        """
        request = {"do": "warm", "bundle": str(bundle.directory), "digest": bundle.digest}
        self._request(bundle.directory, request, START_LIMIT_S)

    def prepare(self, registry: Path) -> tuple[Path, Manifest]:
        """Make sure that a usable bundle is published, fitted again if libraries have changed.

        Returns:
            Its directory and its verified manifest.

        Raises:
            BundleError: none can be used.
        """
        request = {"do": "prepare", "registry": str(registry)}
        answer = self._request(registry, request, PREPARE_LIMIT_S)
        return Path(answer["directory"]), Manifest.model_validate_json(answer["manifest"])

    def identify(self, file: Path | SoundFile) -> str:
        """Hash the audio packets of a file.

        Raises:
            UnreadableClip: it holds no audio, cannot be read, or took too long.
        """
        return self._read(file, identity_in, do="identify")

    def read_back(self, file: Path | SoundFile, *, hashed: bool = True) -> FileReading:
        """Read what a tag write must not change: metadata and, if `hashed`, every audio packet.

        Raises:
            UnreadableClip: as `identify`.
        """
        return self._read(file, reading_in, do="read_back", hashed=hashed)

    def analyse(self, file: Path | SoundFile, identity: str, bundle: ActiveBundle) -> Analysis:
        """Extract the features of a file and predict its affect, and that of each window.

        Raises:
            UnreadableClip: it cannot be decoded, or took too long.
            UnusableClip: it holds nothing that has features.
            BundleError: the bundle cannot be used.
        """
        directory = str(bundle.directory)
        parse = partial(analysis_in, identity=identity, bundle=bundle.name)
        return self._read(file, parse, do="analyse", bundle=directory, digest=bundle.digest)

    def extract(self, file: Path | SoundFile, identity: str) -> tuple[FeatureRecord, list[bytes]]:
        """Extract the features of a file, and the packed ones of each window.

        Raises:
            UnreadableClip: as `analyse`.
            UnusableClip: as `analyse`.
        """
        return self._read(file, partial(features_in, identity=identity), do="extract")

    def close(self) -> None:
        """End the process, if there is one; the next request starts another."""
        if self._running is not None:
            self._end(patience_s=5)

    def _read(
        self, source: Path | SoundFile, parse: Callable[[Answer], _Value], **request: Any
    ) -> _Value:
        with opened(source, follow_links=False) as file:
            return self.ask(file.path, parse, request, [file.descriptor])

    def ask(
        self, path: Path, parse: Callable[[Answer], _Value], request: Answer, files: Sequence[int]
    ) -> _Value:
        """Have open files read; a process whose answer cannot be right is stopped.

        Args:
            path: of the file that a failure is attributed to.
            parse: checks the answer; raises one of `INVALID` if it cannot be right.
            request: its fields, without the name of the file.
            files: open for reading.

        Raises:
            UnreadableClip: the file cannot be read, or took too long.
        """
        self._count_file(path)
        answer = self._request(path, request | {"name": path.name}, self._limits.timeout_s, files)
        try:
            return parse(answer)
        except INVALID as error:
            self._end()
            raise UnreadableClip(path, _INVALID) from error

    def _count_file(self, path: Path) -> None:
        """Count the files, and replace a process that has read its share before another."""
        if path == self._last_file:
            return
        self._last_file = path
        self._files_read += 1
        if self._files_read > self._limits.renew_after:
            self.close()
            self._files_read = 1

    def _request(
        self, path: Path, request: Answer, limit_s: float, files: Sequence[int] = ()
    ) -> Answer:
        """Return the answer to a request about a path, and the files that go with it.

        Raises:
            ClipError: the worker refuses the file, crashes, or exceeds the limit.
            BundleError: the worker refuses the bundle.
        """
        channel = self._ready().channel
        # An answer that was sent before its question could not repeat this.
        number = secrets.token_hex(8)
        try:
            channel.settimeout(limit_s)
            send(channel, request | {"limit_s": math.ceil(limit_s), "number": number}, files)
            answer = receive_answer(channel, LARGEST_ANSWER, limit_s)
        except TimeoutError as error:
            self._end()
            late = f"no result within {limit_s:g} s; its worker was stopped"
            raise UnreadableClip(path, late) from error
        except (EOFError, OSError, ValueError, RecursionError) as error:
            raise UnreadableClip(path, f"the worker that read it {_ending(self._end())}") from error
        if not isinstance(answer, dict) or answer.pop("number", None) != number:
            self._end()
            raise UnreadableClip(path, _INVALID)
        self._log_confinement(answer.pop("confined", None))
        if "unreadable" in answer:
            raise UnreadableClip(path, str(answer["unreadable"]))
        if "unusable" in answer:
            raise UnusableClip(path, str(answer["unusable"]))
        if "bundle" in answer:
            raise BundleError(str(answer["bundle"]))
        return answer

    def _log_confinement(self, is_confined: object) -> None:
        """Log once whether the kernel confines the process that reads sound."""
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

    def _ready(self) -> _Running:
        """Return the process that will answer; one that has spoken unasked or ended is replaced."""
        if self._running is not None and has_something(self._running.channel):
            self._end()
        return self._running or self._started()

    def _started(self) -> _Running:
        try:
            self._running = self._start()
        except OSError as error:
            raise WorkerError(f"no worker can be started: {error.strerror or error}") from error
        self._files_read = min(self._files_read, 1)
        return self._running

    def _start(self) -> _Running:
        ours, theirs = socket.socketpair()
        arguments = (theirs.fileno(), self._limits.nice, self._limits.memory_mib)
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
                [sys.executable, "-m", "daemon.worker.worker_process", *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=os.environ | WORKER_ENVIRONMENT,
                # Ctrl-C in a terminal is for the service alone, which lets its workers finish.
                start_new_session=True,
            )
        return _Running(process, ours)

    def _end(self, patience_s: float = 1) -> int | None:
        """End the process by closing its socket, else with everything that it may have started.

        Returns:
            Its exit status, None if it had to be killed.
        """
        assert self._running is not None
        process = self._running.process
        self._running.channel.close()
        self._running = None
        try:
            return process.wait(patience_s)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None


def _ending(status: int | None) -> str:
    if status is None:
        return "gave an invalid answer and was stopped"
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
