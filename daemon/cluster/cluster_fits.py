"""Fits of an evaluation on the machines of a cluster, by joblib's backend for Dask."""

from __future__ import annotations

import platform
from contextlib import closing, contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING

from config.errors import ValencedError
from daemon.cluster import cluster_task
from daemon.cluster.cluster_members import VERSIONS_LIMIT_S, require_usable, with_versions
from daemon.cluster.dask_cluster import LOOK_S, DaskCluster, one_line, require_distributed
from daemon.service_errors import ClusterError, FitsLost
from trainer.bundles.bundle_manifest import library_versions
from trainer.experiments.cells import on_dask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trainer.experiments.cells import Fitters


def fit_versions() -> dict[str, str]:
    """Return what a fit on this machine, and the exchange with others, depend on, by name."""
    own = {"Python": platform.python_version()}
    return own | library_versions() | cluster_task.versions()


@contextmanager
def fitted_on(address: str) -> Iterator[Fitters]:
    """Yield what lets joblib fit on the workers of a cluster that have the same versions.

    Args:
        address: of the scheduler.

    Raises:
        SettingsError: the package of the extra is not installed.
        ClusterError: the scheduler does not answer, or no worker can be used.
        FitsLost: the cluster failed within the block, such as by the end of a worker.
    """
    require_distributed()
    try:
        with closing(DaskCluster(address)) as dask:
            usable = _usable(dask)
            with _closed_without(dask, usable):
                yield on_dask(dask.client, usable)
    except ClusterError as error:
        raise ClusterError(f"cluster {address}: {error}") from error
    except ValencedError:
        raise
    except Exception as error:
        raise FitsLost(
            f"cluster {address}: {one_line(error)}; finished fits are kept: to continue, give"
            " the same command again, with --cluster or without it"
        ) from error


@contextmanager
def _closed_without(dask: DaskCluster, usable: Sequence[str]) -> Iterator[None]:
    """Close a connection once none of its workers is left: Dask would wait for one for ever."""
    ended = Event()

    def look() -> None:
        while not ended.wait(LOOK_S):
            with suppress(ClusterError):
                if not dask.workers().keys() & set(usable):
                    dask.close()
                    return

    watching = Thread(target=look, daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()


def _usable(dask: DaskCluster) -> list[str]:
    answers = dask.ask(dask.workers(), fit_versions, limit_s=VERSIONS_LIMIT_S)
    usable = with_versions(fit_versions(), answers)
    require_usable(usable, len(answers))
    return usable
