"""A consumer's worker that has sounds heard on a cluster, and does all else on this machine."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from daemon.cluster.cluster_task import hear
from daemon.cluster.dask_cluster import WorkerFault
from daemon.service_errors import ClusterError
from daemon.worker.split_analysis import decode, described_in, predict
from daemon.worker.worker_answers import INVALID, refusal_in
from daemon.worker.worker_client import LARGEST_ANSWER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from config.settings import AnalysisSettings
    from daemon.cluster.cluster_members import Cluster
    from daemon.cluster.shared_workers import SharedWorkers
    from daemon.worker.active_bundle import ActiveBundle
    from daemon.worker.split_analysis import DescribedSound
    from daemon.worker.worker_client import WorkerClient
    from storage.schema.records import Analysis
    from trainer.audio.sound_file import SoundFile

TRIES: Final = 3
"""How many workers of the cluster are tried with a sound before it is heard here."""

REQUESTS: Final = 2
"""Requests with a time limit that a worker of the cluster makes of its own worker process."""

START_S: Final = 30.0
"""What a task may take besides: to begin, to start a process, to come back."""

_Value = TypeVar("_Value")


class _HeardHere(Exception):
    """A sound is to be heard on this machine."""


class ClusterHearer:
    """Does for a consumer what `WorkerClient` does; see there for the methods.

    The machines of the cluster see no bundle: they answer features, and this one predicts. Whatever
    they say against a sound is not believed, but found out here.

    Args:
        cluster: hears.
        here: the processes of this machine.
        limits: the limits of a worker process, here and there, and how paths are spelled there.
    """

    def __init__(self, cluster: Cluster, here: SharedWorkers, limits: AnalysisSettings) -> None:
        self._cluster = cluster
        self._here = here
        self._limits = limits
        # Of the paths of this machine the others need none.
        plain = limits.model_copy(update={"cluster": "", "cluster_path": ()})
        self._limits_there = plain.model_dump_json()
        self._bundle: ActiveBundle | None = None

    def expect(self, bundle: ActiveBundle) -> None:
        """Have the processes load a bundle."""
        self._bundle = bundle

    def warm(self, bundle: ActiveBundle) -> None:
        """Have a process ready."""
        self._run(lambda worker: worker.warm(bundle))

    def identify(self, file: SoundFile) -> str:
        """Hash the audio packets of a file, on this machine."""
        return self._run(lambda worker: worker.identify(file))

    def ask(
        self,
        path: Path,
        parse: Callable[[dict[str, Any]], _Value],
        request: dict[str, Any],
        files: Sequence[int],
    ) -> _Value:
        """Have open files read on this machine."""
        return self._run(lambda worker: worker.ask(path, parse, request, files))

    def analyse(self, file: SoundFile, identity: str, bundle: ActiveBundle) -> Analysis:
        """Have the features of a file extracted, and predict here."""
        try:
            sound = self._described(file, identity, bundle)
        except _HeardHere:
            return self._run(lambda worker: worker.analyse(file, identity, bundle))
        return self._run(lambda worker: predict(worker, file.path, sound, bundle))

    def close(self) -> None:
        """Let the processes end if no other consumer needs them."""
        self._here.release(self)

    def _run(self, work: Callable[[WorkerClient], _Value]) -> _Value:
        def expecting(worker: WorkerClient) -> _Value:
            if self._bundle is not None:
                worker.expect(self._bundle)
            return work(worker)

        return self._here.run(self, expecting)

    def _described(self, file: SoundFile, identity: str, bundle: ActiveBundle) -> DescribedSound:
        """Return the features by the first worker that answers well.

        Raises:
            _HeardHere: none did, or one has found something wrong with the sound.
        """
        tried: list[str] = []
        while len(tried) < TRIES:
            with self._cluster.worker(tried) as worker:
                if worker is None:
                    break
                tried.append(worker)
                try:
                    sound = self._described_by(worker, file, identity, bundle)
                except ClusterError:
                    break
                except WorkerFault as fault:
                    self._cluster.blame(worker, fault)
                else:
                    self._cluster.praise(worker)
                    return sound
        raise _HeardHere

    def _described_by(
        self, worker: str, file: SoundFile, identity: str, bundle: ActiveBundle
    ) -> DescribedSound:
        ask = partial(self._asked, worker, file.path)
        task = self._task(file)
        answer = ask(task)
        if answer.keys() != {"absent"}:
            if answer.pop("identity", None) != identity:
                raise WorkerFault("answered for another sound")
            return _checked(answer, identity, bundle)
        sound = self._run(lambda here: decode(here, file))
        described = _checked(ask({**task, "sound": asdict(sound)}), identity, bundle)
        if list(described.starts_s) != list(sound.starts_s):
            raise WorkerFault("answered for another sound")
        return described

    def _task(self, file: SoundFile) -> dict[str, Any]:
        found = os.fstat(file.descriptor)
        return {
            "path": str(path_there(file.path, self._limits)),
            "size": found.st_size,
            "mtime_ns": found.st_mtime_ns,
            "limits": self._limits_there,
        }

    def _asked(self, worker: str, path: Path, task: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer of a worker, of which only the form is certain.

        Raises:
            WorkerFault: it gave none, or one that cannot be right.
            ClusterError: the scheduler does not answer.
            _HeardHere: it says that something is wrong with the sound.
        """
        limit_s = REQUESTS * self._limits.timeout_s + START_S
        raw = self._cluster.ask(worker, hear, task, limit_s)
        try:
            if not isinstance(raw, bytes) or len(raw) > LARGEST_ANSWER:
                raise TypeError("no answer in bytes")
            answer = json.loads(raw)
            if answer.pop("versions") != self._cluster.versions:
                raise WorkerFault("has other versions by now")
            fault, refusal = answer.get("fault"), refusal_in(answer, path, reads_file=True)
        except (*INVALID, RecursionError) as error:
            raise WorkerFault("gave an invalid answer") from error
        if fault is not None:
            raise WorkerFault(f"could not hear: {str(fault)[:200]}")
        if refusal is not None:
            raise _HeardHere
        found: dict[str, Any] = answer
        return found


def _checked(answer: dict[str, Any], identity: str, bundle: ActiveBundle) -> DescribedSound:
    try:
        described = described_in(answer, identity)
    except INVALID as error:
        raise WorkerFault("gave an invalid answer") from error
    if described.features.settings != bundle.hearing:
        raise WorkerFault("extracted other features")
    return described


def path_there(path: Path, settings: AnalysisSettings) -> Path:
    """Return how the machines of the cluster spell a path; the longest prefix counts."""
    fitting = [each for each in settings.cluster_path if path.is_relative_to(each.here)]
    if not fitting:
        return path
    best = max(fitting, key=lambda each: len(each.here.parts))
    return best.there / path.relative_to(best.here)
