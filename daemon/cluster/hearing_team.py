"""Builds what hears on a cluster, one hearer for each consumer."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from daemon.cluster.cluster_hearer import REQUESTS, START_S, TRIES, ClusterHearer
from daemon.cluster.cluster_members import Cluster
from daemon.cluster.dask_cluster import DaskCluster, require_distributed
from daemon.cluster.shared_workers import SharedWorkers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from config.settings import AnalysisSettings
    from daemon.worker.worker_client import WorkerClient

IN_HAND: Final = 12
"""Unfinished sounds at a time for each worker of this machine, which identifies, predicts and tags
several sounds in the time that another machine takes to hear one."""

MOST_IN_HAND: Final = 64


@contextmanager
def cluster_hearers(
    limits: AnalysisSettings, address: str, workers: Sequence[WorkerClient], *, is_required: bool
) -> Iterator[Sequence[ClusterHearer]]:
    """Connect to a cluster within the block.

    Args:
        limits: the settings of the analysis.
        address: of the scheduler.
        workers: the processes of this machine.
        is_required: whether it is an error if no cluster can be used; otherwise sounds are heard
            here until one can.

    Raises:
        SettingsError: a package is missing.
        ClusterError: the cluster is required and cannot be used.
    """
    require_distributed()
    with ExitStack() as stack:
        here = SharedWorkers(workers)
        stack.callback(here.close)
        cluster = Cluster(address, partial(DaskCluster, address))
        stack.callback(cluster.close)
        cluster.open(is_required=is_required)
        count = min(IN_HAND * len(workers), MOST_IN_HAND)
        yield [ClusterHearer(cluster, here, limits) for _ in range(count)]


def longest_s(timeout_s: float) -> float:
    """Return how long a sound may be on the cluster, in seconds, given the limit of a request."""
    # Each try may wait for as long as it takes before a worker is free.
    return 2 * TRIES * (REQUESTS * timeout_s + START_S)
