"""Encodes sounds for browsers, one after the other, and keeps the last ones for a while."""

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import IO, Final

from fastapi import HTTPException

from config.settings import AnalysisSettings
from daemon.worker.sound_transcoding import transcoded
from daemon.worker.worker_client import WorkerClient
from trainer.audio.sound_file import SoundFile

MOST_WAITING: Final = 4
MOST_KEPT: Final = 8
UNUSED_S: Final = 20.0
"""After so long without work, the worker is closed."""

STOP_S: Final = 2.0
"""How long closing waits for a sound in progress; its worker ends with this process anyway."""

_Task = Callable[[], None]


class Transcoder:
    """Encodes sounds in a confined worker, which is started for the first.

    Args:
        limits: of the worker.
    """

    def __init__(self, limits: AnalysisSettings) -> None:
        self._worker = WorkerClient(limits)
        self._kept: OrderedDict[str, IO[bytes]] = OrderedDict()
        self._lock = threading.Lock()
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._waiting = 0
        self._thread: threading.Thread | None = None

    def ogg(self, file: SoundFile, version: str) -> int:
        """Return a descriptor of a sound as a file of Opus in Ogg, to be closed by the caller.

        Args:
            file: the sound.
            version: of its content.

        Raises:
            HTTPException: too many wait already.
            ClipError: the sound cannot be read.
        """
        if (descriptor := self._known(version)) is not None:
            return descriptor
        with self._lock:
            if self._waiting >= MOST_WAITING:
                raise HTTPException(503, "other sounds are being transcoded; try again soon")
            self._waiting += 1
            self._run()
        done: Future[int] = Future()

        def task() -> None:
            try:
                known = self._known(version)
                done.set_result(self._made(file, version) if known is None else known)
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                done.set_exception(error)

        try:
            self._tasks.put(task)
            return done.result()
        finally:
            with self._lock:
                self._waiting -= 1

    def close(self) -> None:
        """Close the worker; a sound that is being transcoded is not finished."""
        if self._thread is not None:
            self._tasks.put(None)
            self._thread.join(STOP_S)
        with self._lock:
            for kept in self._kept.values():
                kept.close()
            self._kept.clear()

    def _run(self) -> None:
        # The kernel ends a worker with the thread that started it, so one thread stays.
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="transcoder", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            try:
                task = self._tasks.get(timeout=UNUSED_S)
            except Empty:
                self._worker.close()
                task = self._tasks.get()
            if task is None:
                self._worker.close()
                return
            task()

    def _made(self, file: SoundFile, version: str) -> int:
        content = transcoded(self._worker, file)
        kept = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it makes room
        kept.write(content)
        kept.flush()
        with self._lock:
            self._kept[version] = kept
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)[1].close()
            return os.dup(kept.fileno())

    def _known(self, version: str) -> int | None:
        with self._lock:
            kept = self._kept.get(version)
            if kept is None:
                return None
            self._kept.move_to_end(version)
            return os.dup(kept.fileno())
