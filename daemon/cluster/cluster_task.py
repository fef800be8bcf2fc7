"""What runs on the machines of the cluster: a sound is heard there by a confined worker process.

A Dask worker calls `hear` with a task, a mapping with

    path                    of the file on this machine
    size, mtime_ns          of the very file that is meant
    limits                  of the worker process, as JSON of `AnalysisSettings`
    sound                   the decoded windows, instead of the file; absent otherwise

The answer is JSON, in bytes, with the `versions` of this machine and one of

    identity, settings, duration_s, vector, starts_s, windows
                            the features, as a worker process answers them
    absent                  this machine does not see that file
    unreadable, unusable    what a worker process says of the sound
    fault                   nothing was heard, through no fault of the sound
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from config.errors import ValencedError
from config.settings import AnalysisSettings
from daemon.worker.split_analysis import DecodedSound, describe, extract
from daemon.worker.worker_client import WorkerClient
from trainer.audio.sound_file import opened
from trainer.features.extraction_versions import extraction_versions
from trainer.trainer_errors import UnreadableClip, UnusableClip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trainer.audio.sound_file import SoundFile

    Task = Mapping[str, Any]
    Answer = Mapping[str, Any]

IDLE_S: Final = 60.0
"""Worker processes that heard nothing for so long are ended, to free their memory."""

_ABSENT: Final = {"absent": True}


def versions() -> dict[str, str]:
    """Return what features from this machine depend on, by name."""
    return extraction_versions() | {"distributed": version("distributed")}


def hear(task: Task) -> bytes:
    """Extract the features of a sound; see the top of the module."""
    try:
        with _free_workers.taken(task["limits"]) as worker:
            answer = _described(worker, task) if "sound" in task else _extracted(worker, task)
    except UnreadableClip as error:
        answer = {"unreadable": error.reason}
    except UnusableClip as error:
        answer = {"unusable": error.reason}
    except ValencedError as error:
        answer = {"fault": str(error)}
    return json.dumps({**answer, "versions": versions()}).encode()


def _described(worker: WorkerClient, task: Task) -> Answer:
    return describe(worker, Path(task["path"]), DecodedSound(**task["sound"]))


def _extracted(worker: WorkerClient, task: Task) -> Answer:
    with ExitStack() as stack:
        try:
            file = stack.enter_context(opened(Path(task["path"]), follow_links=False))
        except UnreadableClip:
            return _ABSENT
        if not _is_meant(file, task):
            return _ABSENT
        # Nobody tells this machine the identity: that it is right shows which sound was heard.
        identity = worker.identify(file)
        answer = extract(worker, file, identity)
        return {**answer, "identity": identity} if _is_meant(file, task) else _ABSENT


def _is_meant(file: SoundFile, task: Task) -> bool:
    found = os.fstat(file.descriptor)
    return (found.st_size, found.st_mtime_ns) == (task["size"], task["mtime_ns"])


class _FreeWorkers:
    """The worker processes of this Dask worker that have nothing to do."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free: list[tuple[str, WorkerClient]] = []
        self._timer: threading.Timer | None = None

    @contextmanager
    def taken(self, limits: str) -> Iterator[WorkerClient]:
        """Yield one with these limits, which nobody else uses within the block."""
        with self._lock:
            found = next((each for each in self._free if each[0] == limits), None)
            if found is not None:
                self._free.remove(found)
        kept = found or (limits, WorkerClient(AnalysisSettings.model_validate_json(limits)))
        try:
            yield kept[1]
        finally:
            with self._lock:
                self._free.append(kept)
                if self._timer is not None:
                    self._timer.cancel()
                self._timer = threading.Timer(IDLE_S, self._end)
                self._timer.daemon = True
                self._timer.start()

    def _end(self) -> None:
        with self._lock:
            ended, self._free = self._free, []
        for _, worker in ended:
            worker.close()


_free_workers = _FreeWorkers()
