"""What a hearer believes of the cluster's answers, and what it does without a good one."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from config.errors import SettingsError
from config.settings import AnalysisSettings, ClusterPath
from daemon.cluster import dask_cluster
from daemon.cluster.cluster_hearer import TRIES, ClusterHearer, path_there
from daemon.cluster.cluster_task import hear
from daemon.cluster.dask_cluster import DaskCluster, WorkerFault, require_distributed
from daemon.service_errors import ClusterError
from daemon.worker.active_bundle import ActiveBundle
from tests.daemon.worker.test_worker_answers import FEATURES, RECORD, VECTOR
from tests.records import WORKER_LIMITS
from trainer.audio.sound_file import opened
from trainer.features.vector_codec import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from daemon.cluster.cluster_members import Cluster
    from daemon.cluster.shared_workers import SharedWorkers
    from storage.schema.records import Analysis
    from trainer.audio.sound_file import SoundFile

VERSIONS = {"numpy": "2.0"}
BUNDLE = ActiveBundle(Path("/bundle"), "test-1", RECORD.settings, "00")
GOOD: dict[str, Any] = FEATURES | {"starts_s": [0.5], "windows": [VECTOR], "versions": VERSIONS}
HEARD_HERE, PREDICTED = "heard here", "predicted here"


class HostileCluster:
    """Three workers, all of which answer the same."""

    versions = VERSIONS

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.tasks: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self.praised = 0

    @contextmanager
    def worker(self, without: Collection[str] = ()) -> Iterator[str | None]:
        yield next((name for name in "abcd" if name not in without), None)

    def ask(self, _: str, function: object, task: dict[str, Any], __: float) -> object:
        assert function is hear
        self.tasks.append(task)
        answer = self.answers[min(len(self.tasks), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def blame(self, _: str, fault: WorkerFault) -> None:
        self.faults.append(str(fault))

    def praise(self, _: str) -> None:
        self.praised += 1


class Here:
    """Stands for the processes of this machine: notes what they are asked for."""

    def run(self, _: object, work: Callable[[Any], Any]) -> Any:
        return work(self)

    def warm(self, _: ActiveBundle) -> None: ...

    def analyse(self, *_: object) -> str:
        return HEARD_HERE

    def ask(self, _: Path, __: object, request: dict[str, Any], ___: object) -> Any:
        if request["do"] == "decode":
            return dask_sound()
        self.predicted = request
        return (PREDICTED, [])


def dask_sound() -> Any:
    from daemon.worker.split_analysis import DecodedSound  # noqa: PLC0415 - only here

    return DecodedSound(12800, 2.5, [0.5], [bytes(8)])


@pytest.fixture
def song(tmp_path: Path) -> Iterator[SoundFile]:
    path = tmp_path / "song.wav"
    path.write_bytes(b"sound")
    with opened(path) as file:
        yield file


def heard(cluster: HostileCluster, song: SoundFile) -> Analysis | str:
    path = ClusterPath(here=Path("/mnt"), there=Path("/srv"))
    limits = WORKER_LIMITS.model_copy(update={"cluster_path": (path,)})
    hearer = ClusterHearer(cast("Cluster", cluster), cast("SharedWorkers", Here()), limits)
    return hearer.analyse(song, RECORD.identity, BUNDLE)


def as_json(answer: object) -> bytes:
    return json.dumps(answer).encode()


OTHER = b64encode(pack(np.zeros(7, np.float32))).decode()
SAME = {"identity": RECORD.identity}


def test_a_good_answer_is_predicted_here(song: SoundFile) -> None:
    cluster = HostileCluster(as_json(GOOD | SAME))
    found = heard(cluster, song)
    assert not isinstance(found, str)
    assert found.features == RECORD
    assert str(found.prediction) == PREDICTED
    assert (cluster.faults, cluster.praised) == ([], 1)
    task = cluster.tasks[0]
    assert (task["path"], task["size"]) == (str(song.path), 5)
    assert RECORD.identity not in str(task)
    limits = AnalysisSettings.model_validate_json(task["limits"])
    assert limits == WORKER_LIMITS


def test_windows_are_sent_to_who_does_not_see_the_file(song: SoundFile) -> None:
    absent = as_json({"absent": True, "versions": VERSIONS})
    cluster = HostileCluster(absent, as_json(GOOD))
    assert not isinstance(heard(cluster, song), str)
    assert cluster.tasks[1]["sound"]["windows"] == [bytes(8)]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "{}",
        {"identity": RECORD.identity},
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"[" * 100_000,
        b"9" * 100_000,
        as_json(GOOD),
        as_json(GOOD | {"identity": "cd34"}),
        as_json(GOOD | {"identity": None}),
        as_json({key: value for key, value in (GOOD | SAME).items() if key != "versions"}),
        as_json(GOOD | SAME | {"versions": {"numpy": "1.0"}}),
        as_json(GOOD | SAME | {"settings": "other/12800Hz/1"}),
        as_json(GOOD | SAME | {"duration_s": math.nan}),
        as_json(GOOD | SAME | {"vector": OTHER}),
        as_json(GOOD | SAME | {"windows": [VECTOR, VECTOR]}),
        as_json(GOOD | SAME | {"starts_s": [-1.0]}),
        as_json({"absent": True, "versions": VERSIONS}),
        as_json({"fault": "no process can be started", "versions": VERSIONS}),
        as_json({"unusable": "is silent", "versions": VERSIONS} | SAME),
        as_json({"bundle": "stops all work", "versions": VERSIONS}),
        WorkerFault("is gone"),
    ],
    ids=lambda answer: str(answer)[:40],
)
def test_an_answer_that_cannot_be_right_costs_a_retry_and_no_result(
    answer: object, song: SoundFile
) -> None:
    cluster = HostileCluster(answer)
    assert heard(cluster, song) == HEARD_HERE
    assert len(cluster.faults) == TRIES
    assert cluster.praised == 0


@pytest.mark.parametrize("kind", ["unreadable", "unusable"])
def test_nothing_that_is_said_against_a_sound_is_believed(kind: str, song: SoundFile) -> None:
    cluster = HostileCluster(as_json({kind: "is silent", "versions": VERSIONS}))
    assert heard(cluster, song) == HEARD_HERE
    assert (len(cluster.tasks), cluster.faults) == (1, [])


def test_without_a_scheduler_a_sound_is_heard_here(song: SoundFile) -> None:
    cluster = HostileCluster(ClusterError("the scheduler is gone"))
    assert heard(cluster, song) == HEARD_HERE
    assert (len(cluster.tasks), cluster.faults) == (1, [])


@pytest.mark.parametrize("change", [{"size": 6}, {"mtime_ns": 1}, {"path": "/nowhere/song.wav"}])
def test_a_machine_hears_only_the_very_file(change: dict[str, Any], song: SoundFile) -> None:
    status = song.path.stat()
    task = {
        "path": str(song.path),
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "limits": WORKER_LIMITS.model_dump_json(),
    }
    assert json.loads(hear(task | change)).keys() == {"absent", "versions"}


def test_the_longest_prefix_says_how_the_cluster_spells_a_path() -> None:
    pairs = {"/mnt": "/srv", "/mnt/a": "/b", "/mnt/a/c": "/d"}
    paths = tuple(ClusterPath(here=Path(here), there=Path(to)) for here, to in pairs.items())
    settings = WORKER_LIMITS.model_copy(update={"cluster_path": paths})
    for here, expected in {
        "/mnt/x.mp3": "/srv/x.mp3",
        "/mnt/a/x.mp3": "/b/x.mp3",
        "/mnt/ab/x.mp3": "/srv/ab/x.mp3",
        "/mnt/a/c/d/x.mp3": "/d/d/x.mp3",
        "/home/x.mp3": "/home/x.mp3",
    }.items():
        assert path_there(Path(here), settings) == Path(expected)


def test_tls_without_certificates_is_told_of_in_one_line() -> None:
    with pytest.raises(ClusterError, match="no certificates"):
        DaskCluster("tls://127.0.0.1:1")


def test_a_missing_package_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"distributed; install it with: .*valenced\[cluster\]"):
        require_distributed()
