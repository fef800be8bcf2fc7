"""Which workers get work, and what is said when one, or all, get none."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

import pytest

from daemon.cluster import cluster_members
from daemon.cluster.cluster_members import Cluster
from daemon.cluster.cluster_task import versions
from daemon.cluster.dask_cluster import GONE, WorkerFault
from daemon.service_errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daemon.cluster.dask_cluster import DaskCluster

ADDRESS = "tcp://scheduler:8786"


class Connection:
    """What is there: the threads of each worker, and what it answers about its versions."""

    def __init__(self, **workers: int) -> None:
        self.found = workers
        self.answers: dict[str, Any] = {}
        self.is_lost = False
        self.connected = self.closed = 0

    def __call__(self) -> DaskCluster:
        if self.is_lost:
            raise ClusterError("refused")
        self.connected += 1
        return cast("DaskCluster", self)

    def workers(self) -> dict[str, int]:
        if self.is_lost:
            raise ClusterError("the scheduler does not answer")
        return dict(self.found)

    def ask(
        self, workers: Iterable[str], function: object, *_: object, limit_s: float
    ) -> dict[str, Any]:
        assert callable(function)
        assert limit_s > 0
        if self.is_lost:
            raise ClusterError("the scheduler is gone")
        return {each: self.answers.get(each, versions()) for each in workers}

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_members, "LOOK_S", 0.0)
    monkeypatch.setattr(cluster_members, "AGAIN_S", 0.0)


def opened(connection: Connection, *, is_required: bool = True) -> Cluster:
    cluster = Cluster(ADDRESS, connection)
    cluster.open(is_required=is_required)
    return cluster


def taken(cluster: Cluster, count: int, *without: str) -> list[str | None]:
    with ExitStack() as stack:
        return [stack.enter_context(cluster.worker(without)) for _ in range(count)]


def test_each_worker_gets_as_much_as_it_has_threads_and_one_more() -> None:
    cluster = opened(Connection(a=1, b=3))
    assert sorted(map(str, taken(cluster, 6))) == ["a", "a", "b", "b", "b", "b"]
    assert taken(cluster, 2, "b") == ["a", "a"]
    assert taken(cluster, 1, "a", "b") == [None]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (versions() | {"numpy": "1.0"}, "it has numpy 1.0, here is "),
        (versions() | {"numpy": "\x1b[2J\n" + "9" * 100_000}, "it has numpy \\x1b[2J\\n99"),
        (versions() | {"opensmile": None}, "it has opensmile None, here is "),
        ({}, "it has extraction code None, here is "),
        (None, "its answer about its versions is invalid"),
        ([versions()], "its answer about its versions is invalid"),
        (WorkerFault("No module named 'daemon'"), "No module named 'daemon'"),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_a_worker_of_other_versions_is_refused_with_one_line(
    answer: object, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = Connection(old=4, new=1)
    connection.answers = {"old": answer}
    cluster = opened(connection)
    assert taken(cluster, 2) == ["new", "new"]
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("cluster worker old gets no work: ")
    assert said in caplog.messages[0]
    assert len(caplog.messages[0]) < 300


@pytest.mark.parametrize(
    ("workers", "said"), [({}, "has no worker"), ({"old": 1}, "its 1 worker cannot be used")]
)
def test_a_cluster_without_a_usable_worker_is_an_error_or_is_waited_for(
    workers: dict[str, int], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = Connection(**workers)
    connection.answers = {"old": {}}
    with pytest.raises(ClusterError, match=f"^cluster {ADDRESS}: .*{said}$"):
        opened(connection)
    caplog.clear()
    cluster = opened(connection, is_required=False)
    assert caplog.messages[-1].endswith(f"{said}; sounds are heard here meanwhile")
    assert taken(cluster, 1) == [None]
    connection.found["new"] = 1
    assert taken(cluster, 1) == ["new"]


def test_a_lost_scheduler_is_told_of_once_and_found_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    connection = Connection(a=1)
    cluster = opened(connection)
    connection.is_lost = True
    assert taken(cluster, 3) == [None] * 3
    with pytest.raises(ClusterError):
        cluster.ask("a", versions, None, 1.0)
    assert len([line for line in caplog.messages if "heard here meanwhile" in line]) <= 2
    assert connection.closed == 1
    connection.is_lost = False
    assert taken(cluster, 1) == ["a"]
    assert caplog.messages[-1] == f"cluster {ADDRESS}: connected again"
    cluster.close()
    assert connection.closed == connection.connected == 2


def test_faults_in_a_row_end_the_work_of_a_worker_and_others_do_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = opened(Connection(a=1))
    fault = WorkerFault("gave an invalid answer")
    for _ in range(2):
        cluster.blame("a", fault)
    cluster.praise("a")
    for _ in range(2):
        cluster.blame("a", fault)
    cluster.blame("a", WorkerFault(GONE))
    cluster.blame("never seen", fault)
    assert taken(cluster, 1) == ["a"]
    cluster.blame("a", fault)
    assert taken(cluster, 1) == [None]
    said = [line for line in caplog.messages if "gets no more work after 3 faults in a row" in line]
    assert len(said) == 1


def test_a_worker_that_went_and_came_back_is_compared_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = Connection(a=1, b=1)
    cluster = opened(connection)
    del connection.found["a"]
    assert taken(cluster, 2) == ["b", "b"]
    assert caplog.messages == ["cluster worker a is gone"]
    connection.found["a"] = 1
    connection.answers = {"a": {}}
    assert taken(cluster, 2) == ["b", "b"]
    assert "gets no work" in caplog.messages[-1]
