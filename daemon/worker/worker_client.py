"""The service's side of a worker process: requests with a time limit, and restart after a crash.

Each consumer thread owns one `WorkerClient`. It sleeps in the kernel while its worker is busy, so
an idle service costs nothing. A worker that crashes or hangs costs its own file one attempt.
"""

from __future__ import annotations

import logging
import math
import secrets
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from daemon.service_errors import WorkerError
from daemon.worker.running_worker import RunningWorker, how_it_ended
from daemon.worker.worker_answers import (
    INVALID,
    analysis_in,
    credits_in,
    features_in,
    identity_in,
    reading_in,
    refusal_in,
)
from daemon.worker.worker_channel import UNCONFINED, has_something, receive_answer, send
from trainer.audio.sandbox import NEEDED
from trainer.audio.sound_file import SoundFile, opened
from trainer.trainer_errors import BundleError, ClipError, UnreadableClip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from config.settings import AnalysisSettings
    from daemon.tagging.basics.tag_jobs import FileReading
    from daemon.worker.active_bundle import ActiveBundle
    from storage.schema.records import Analysis, FeatureRecord
    from trainer.bundles.bundle_manifest import Manifest

log = logging.getLogger(__name__)

Answer = dict[str, Any]
_Value = TypeVar("_Value")

_INVALID = "the worker that read it gave an invalid answer and was stopped"

LARGEST_ANSWER = 64 * 1024 * 1024
START_LIMIT_S = 60.0
PREPARE_LIMIT_S = 600.0


class WorkerClient:
    """A subprocess that reads sound files, started by the first request and after each crash.

    Files are opened here, and their descriptors passed on; a path must not be a symbolic link.

    Args:
        limits: the time of a request, the memory and the niceness of a process, and after how many
            files another takes over.
    """

    def __init__(self, limits: AnalysisSettings) -> None:
        self._limits = limits
        self._running: RunningWorker | None = None
        self._last_file: Path | None = None
        self._files_read = 0
        self._bundle: ActiveBundle | None = None
        self._layers: list[str] | None = None

    def expect(self, bundle: ActiveBundle) -> None:
        """Have each process load a bundle before its first file, as it could not do so later."""
        self._bundle = bundle

    def warm(self, bundle: ActiveBundle) -> None:
        """Load everything the first file would wait for.

        Raises:
            BundleError: the bundle cannot be used.
        """
        self._bundle = bundle
        running = self._ready()
        if running.bundle == bundle:
            return
        if running.is_confined:
            self.close()
        request = {
            "do": "warm",
            "bundle": str(bundle.directory.absolute()),
            "digest": bundle.digest,
        }
        self._request(bundle.directory, request, START_LIMIT_S)
        self._ready().bundle = bundle

    def layers(self) -> list[str]:
        """Return what keeps the process that reads sound from everything else.

        It is not confined if one of `sandbox.NEEDED` is missing.

        Raises:
            WorkerError: no process can be started.
        """
        self._confine()
        return self._layers or []

    def prepare(self, registry: Path, name: str | None = None) -> tuple[Path, Manifest]:
        """Do what `trainer.bundles.registry.prepare` does, for any fit takes memory and threads.

        Raises:
            BundleError: as there; or it took too long.
        """
        if self._running is not None and self._running.is_confined:
            # It may have read a file that has taken it over, and can write no bundle.
            self.close()
        request = {"do": "prepare", "registry": str(registry.absolute()), "name": name}
        answer = self._request(registry, request, PREPARE_LIMIT_S)
        if not answer["alone"]:
            # A fit leaves threads, for which Landlock would not hold.
            self.close()
        from trainer.bundles.bundle_manifest import Manifest  # noqa: PLC0415 - only the service prepares

        return Path(answer["directory"]), Manifest.model_validate_json(answer["manifest"])

    def identify(self, file: Path | SoundFile) -> str:
        """Hash the audio packets of a file.

        Raises:
            UnreadableClip: it holds no audio, cannot be read, or took too long.
        """
        return self._read(file, identity_in, do="identify")

    def read_back(self, file: Path | SoundFile, *, hashed: bool = True) -> FileReading:
        """Read what a tag write must not change: metadata, and the packets; raises as above."""
        return self._read(file, reading_in, do="read_back", hashed=hashed)

    def credits(self, file: Path | SoundFile) -> tuple[str, str]:
        """Read artist and title of the tags, each empty if there is none; raises as above."""
        return self._read(file, credits_in, do="credits")

    def analyse(self, file: Path | SoundFile, identity: str, bundle: ActiveBundle) -> Analysis:
        """Extract the features of a file and predict its affect, and that of each window.

        Raises:
            UnreadableClip: it cannot be decoded, or took too long.
            UnusableClip: it holds nothing that has features.
            BundleError: the bundle cannot be used.
        """
        self.warm(bundle)
        directory = str(bundle.directory.absolute())
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
        self._confine()
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
            raise UnreadableClip(
                path, f"the worker that read it {how_it_ended(self._end())}"
            ) from error
        if not isinstance(answer, dict) or answer.pop("number", None) != number:
            self._end()
            raise UnreadableClip(path, _INVALID)
        try:
            refusal = refusal_in(answer, path, reads_file=request["do"] not in UNCONFINED)
        except INVALID as error:
            self._end()
            raise UnreadableClip(path, _INVALID) from error
        if refusal is not None:
            raise refusal
        return answer

    @property
    def confinement(self) -> str | None:
        """What confined its last process, in a few words; None before it has read any sound."""
        if self._layers is None:
            return None
        missing = [layer for layer in NEEDED if layer not in self._layers]
        if missing:
            return f"not confined: {' and '.join(missing)} missing"
        return f"confined: {', '.join(self._layers)}"

    def _confine(self) -> None:
        """Have the process give up all but reading, before it sees a byte of a file."""
        if self._ready().is_confined:
            return
        try:
            if self._bundle is not None:
                # Later, it could not load it. What is wrong with it is said when it is needed.
                with suppress(BundleError):
                    self.warm(self._bundle)
            answer = self._request(Path("/"), {"do": "confine"}, START_LIMIT_S)
        except ClipError as error:
            raise WorkerError(f"no worker can be started: {error.reason}") from error
        self._ready().is_confined = True
        self._log_layers([str(layer) for layer in answer["layers"]])

    def _log_layers(self, layers: list[str]) -> None:
        """Log once what confines the processes that read sound."""
        if self._layers is None:
            if missing := [layer for layer in NEEDED if layer not in layers]:
                log.warning(
                    "the workers that read sound are not confined: %s missing; a crafted file that"
                    " takes one over could do what the service may (valenced check says more)",
                    ", ".join(missing),
                )
            else:
                log.debug("the workers that read sound are confined: %s", ", ".join(layers))
        self._layers = layers

    def _ready(self) -> RunningWorker:
        """Return the process that will answer; one that has spoken unasked or ended is replaced."""
        if self._running is not None and has_something(self._running.channel):
            self._end()
        return self._running or self._started()

    def _started(self) -> RunningWorker:
        try:
            self._running = RunningWorker.start(self._limits)
        except OSError as error:
            raise WorkerError(f"no worker can be started: {error.strerror or error}") from error
        self._files_read = min(self._files_read, 1)
        return self._running

    def _end(self, patience_s: float = 1) -> int | None:
        """End the process; return its exit status, None if it had to be killed."""
        assert self._running is not None
        running, self._running = self._running, None
        return running.end(patience_s)
