"""A few worker processes of this machine that serve many consumers in turn."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, LifoQueue
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from daemon.worker.worker_client import WorkerClient

_Value = TypeVar("_Value")


class SharedWorkers:
    """Runs what consumers need of a worker process. Safe to use from several threads.

    A worker process ends with the thread that started it, so each has a thread of its own: that of
    a consumer may end before the others need the process no longer.

    Args:
        workers: the processes.
    """

    def __init__(self, workers: Sequence[WorkerClient]) -> None:
        self._free: LifoQueue[tuple[WorkerClient, ThreadPoolExecutor]] = LifoQueue()
        for worker in workers:
            self._free.put((worker, ThreadPoolExecutor(1, "worker")))
        self._lock = threading.Lock()
        self._users: set[object] = set()

    def run(self, user: object, work: Callable[[WorkerClient], _Value]) -> _Value:
        """Return what a function returns of a worker that nobody else uses meanwhile."""
        with self._lock:
            self._users.add(user)
        lane = self._free.get()
        try:
            return lane[1].submit(work, lane[0]).result()
        finally:
            self._free.put(lane)

    def release(self, user: object) -> None:
        """End the processes if no other user has run anything since it was released."""
        with self._lock:
            self._users.discard(user)
            if self._users:
                return
        for lane in self._all_free():
            lane[0].close()
            self._free.put(lane)

    def close(self) -> None:
        """End the processes and their threads; nobody may use them any more."""
        for worker, thread in self._all_free():
            worker.close()
            thread.shutdown()

    def _all_free(self) -> list[tuple[WorkerClient, ThreadPoolExecutor]]:
        found = []
        try:
            while True:
                found.append(self._free.get_nowait())
        except Empty:
            return found
