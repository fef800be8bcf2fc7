"""Which workers of the cluster get work: those of the same versions that answer as they must."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from daemon.cluster.cluster_task import versions
from daemon.cluster.dask_cluster import GONE, LOOK_S, WorkerFault
from daemon.paths import printable
from daemon.service_errors import ClusterError
from daemon.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from daemon.cluster.dask_cluster import DaskCluster

log = logging.getLogger(__name__)

AGAIN_S: Final = 30.0
"""How long after a connection was lost another is tried."""

MOST_FAULTS: Final = 3
"""So many faults in a row end the work of a worker."""

VERSIONS_LIMIT_S: Final = 60.0
_LONGEST_VERSION: Final = 60


@dataclass
class _Member:
    """A worker: its threads, its unfinished sounds, and its consecutive faults."""

    threads: int
    in_hand: int = 0
    faults: int = 0
    is_refused: bool = False


class Cluster:
    """The workers of a cluster. Safe to use from several threads.

    Args:
        address: of the scheduler.
        connect: connects to it; raises ClusterError.

    Attributes:
        address: as above.
        versions: what a worker must have, by name.
    """

    def __init__(self, address: str, connect: Callable[[], DaskCluster]) -> None:
        self.address = address
        self.versions = versions()
        self._connect = connect
        self._dask: DaskCluster | None = None
        self._members: dict[str, _Member] = {}
        self._change = threading.Condition()
        self._looking = threading.Lock()
        self._look_at_s = 0.0
        self._trouble = ""

    def open(self, *, is_required: bool) -> None:
        """Connect, and compare versions.

        Args:
            is_required: False only logs what is wrong; it is tried again later.

        Raises:
            ClusterError: the scheduler does not answer, or no worker can be used.
        """
        try:
            self._dask = self._connect()
            self._compare(self._dask)
            require_usable(self._usable(), len(self._members))
        except ClusterError as error:
            if is_required:
                raise ClusterError(f"cluster {self.address}: {error}") from error
            self._lose(self._dask, error)

    def close(self) -> None:
        """Close the connection."""
        dask, self._dask = self._dask, None
        if dask is not None:
            dask.close()

    @contextmanager
    def worker(self, without: Collection[str] = ()) -> Iterator[str | None]:
        """Yield a worker that has a thread free soon; None if none can be used at present.

        Args:
            without: those that are not wanted.
        """
        taken = self._taken(without)
        if taken is None:
            yield None
            return
        address, member = taken
        try:
            yield address
        finally:
            with self._change:
                member.in_hand -= 1
                self._change.notify()

    def ask(self, worker: str, function: Callable[..., Any], task: Any, limit_s: float) -> Any:
        """Return what a worker answers to a task, which may be anything.

        Raises:
            WorkerFault: it did not answer.
            ClusterError: the scheduler does not answer; sounds are heard here until it does.
        """
        dask = self._dask
        if dask is None:
            raise ClusterError(f"cluster {self.address}: not connected")
        try:
            answer = dask.ask([worker], function, task, limit_s=limit_s)[worker]
        except ClusterError as error:
            self._lose(dask, error)
            raise
        if isinstance(answer, WorkerFault):
            raise answer
        return answer

    def praise(self, worker: str) -> None:
        """Note that a worker has answered well."""
        if member := self._members.get(worker):
            member.faults = 0

    def blame(self, worker: str, fault: WorkerFault) -> None:
        """Note, and log, that a worker has not; after some faults in a row it gets no more work."""
        member = self._members.get(worker)
        if member is None or str(fault) == GONE:
            return
        member.faults += 1
        if member.faults < MOST_FAULTS:
            log.warning("cluster worker %s: %s; tried elsewhere", worker, printable(str(fault)))
        elif not member.is_refused:
            member.is_refused = True
            count = counted(member.faults, "fault")
            log.error(
                "cluster worker %s: %s; gets no more work after %s in a row until it is restarted",
                worker,
                printable(str(fault)),
                count,
            )

    def _usable(self, without: Collection[str] = ()) -> dict[str, _Member]:
        return {
            address: member
            for address, member in self._members.items()
            if not member.is_refused and address not in without
        }

    def _taken(self, without: Collection[str]) -> tuple[str, _Member] | None:
        while True:
            self._look()
            with self._change:
                usable = self._usable(without)
                if not usable:
                    return None
                least = min(usable.items(), key=lambda each: each[1].in_hand / each[1].threads)
                # One more than it hears at once, so that it need not wait for the next.
                if least[1].in_hand <= least[1].threads:
                    least[1].in_hand += 1
                    return least
                self._change.wait(LOOK_S)

    def _look(self) -> None:
        """Find out which workers there are by now, in one thread at a time."""
        if time.monotonic() < self._look_at_s or not self._looking.acquire(blocking=False):
            return
        try:
            if self._dask is None:
                self._dask = self._connect()
                log.info("cluster %s: connected again", self.address)
            self._look_at_s = time.monotonic() + LOOK_S
            self._compare(self._dask)
            if not self._usable():
                self._say("no worker of it can be used")
        except ClusterError as error:
            self._lose(self._dask, error)
        finally:
            self._looking.release()

    def _compare(self, dask: DaskCluster) -> None:
        """Take up the workers that have appeared, if their versions are ours, and forget others."""
        present = dask.workers()
        new = present.keys() - self._members.keys()
        answers = dask.ask(new, versions, limit_s=VERSIONS_LIMIT_S)
        with self._change:
            for gone in self._members.keys() - present.keys():
                log.warning("cluster worker %s is gone", gone)
                del self._members[gone]
            fit = with_versions(self.versions, answers)
            for address in answers:
                is_refused = address not in fit
                self._members[address] = _Member(max(1, present[address]), is_refused=is_refused)
            for address in fit:
                log.debug("cluster worker %s hears, too", address)
            if self._usable():
                self._trouble = ""
            self._change.notify_all()

    def _lose(self, dask: DaskCluster | None, error: ClusterError) -> None:
        """Close a connection that is of no use any more, and let another be tried later."""
        with self._change:
            if dask is not self._dask:
                return
            self._dask = None
            self._members = {}
            self._look_at_s = time.monotonic() + AGAIN_S
            self._change.notify_all()
        self._say(str(error))
        if dask is not None:
            dask.close()

    def _say(self, trouble: str) -> None:
        """Log once that there is no cluster at present."""
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning("cluster %s: %s; sounds are heard here meanwhile", self.address, trouble)


def require_usable(usable: Collection[str], workers: int) -> None:
    """Raise ClusterError if no worker can be used, of so many that there are."""
    if not usable:
        found = f"its {counted(workers, 'worker')} cannot be used"
        raise ClusterError(found if workers else "its scheduler has no worker")


def with_versions(versions: Mapping[str, str], answers: Mapping[str, Any]) -> list[str]:
    """Return the workers that have answered our versions, and log how the others differ."""
    found = []
    for worker, answer in answers.items():
        if problem := _difference(versions, answer):
            log.error("cluster worker %s gets no work: %s", worker, problem)
        else:
            found.append(worker)
    return found


def _difference(versions: Mapping[str, str], answer: Any) -> str | None:
    """Return in one line how the versions that a worker has answered differ from ours."""
    if isinstance(answer, WorkerFault):
        return f"it cannot be asked for its versions: {printable(str(answer))}"
    if not isinstance(answer, dict):
        return "its answer about its versions is invalid"
    for name, ours in versions.items():
        if (theirs := answer.get(name)) != ours:
            shown = printable(str(theirs)[:_LONGEST_VERSION])
            return f"it has {name} {shown}, here is {ours}"
    return None
