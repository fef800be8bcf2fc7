"""Counters, durations and heartbeat of the running service."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from daemon.pipeline.claimed_file import FileResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

LONGEST_TURN_S: Final = 120.0
"""An event loop without a heartbeat for longer hangs; a folder scan gives one with every file."""

BUCKETS_S: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Upper limits of the histogram of processing times."""

_FAILURES: Final = frozenset({FileResult.UNREADABLE, FileResult.UNUSABLE})


class RunStats:
    """Counts and health of one run. Safe to use from several threads.

    Args:
        workers: number of workers.
        clock: the monotonic clock, in seconds.

    Attributes:
        workers: number of workers.
        paused: why the load throttle pauses work, None if it does not.
        busy: number of workers that are processing a file.
        stuck: name of a consumer that hangs, None if none does.
        problem: what keeps the event loop from its work, None if nothing does.
        stalled: why no file can be processed at present, None if nothing prevents it.
    """

    def __init__(self, workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.workers = workers
        self._clock = clock
        self.paused: str | None = None
        self.stuck: str | None = None
        self.problem: str | None = None
        self.stalled: str | None = None
        self._lock = threading.Lock()
        self._heartbeat_at_s = clock()
        self.busy = 0
        self._failed: set[Path] = set()
        self._results: Counter[FileResult] = Counter()
        self._buckets = [0] * (len(BUCKETS_S) + 1)
        self._total_s = 0.0

    def heartbeat(self) -> None:
        """Note that the event loop is alive."""
        self._heartbeat_at_s = self._clock()

    @property
    def heartbeat_age_s(self) -> float:
        """Seconds since the last heartbeat of the event loop."""
        return self._clock() - self._heartbeat_at_s

    @contextmanager
    def working(self) -> Iterator[None]:
        """Count a worker as busy for the duration of a block."""
        with self._lock:
            self.busy += 1
        try:
            yield
        finally:
            with self._lock:
                self.busy -= 1

    def count(self, path: Path, result: FileResult, took_s: float) -> None:
        """Count one attempt at a file, and how long it took."""
        with self._lock:
            self._results[result] += 1
            if result in _FAILURES:
                self._failed.add(path)
            elif result is not FileResult.POSTPONED:
                self._failed.discard(path)
            if result not in {FileResult.POSTPONED, FileResult.RECOGNISED}:
                self._buckets[bisect_left(BUCKETS_S, took_s)] += 1
                self._total_s += took_s

    @property
    def results(self) -> Mapping[FileResult, int]:
        """Number of attempts by their result."""
        with self._lock:
            return dict(self._results)

    @property
    def processed(self) -> int:
        """Number of files that were processed."""
        return self.results.get(FileResult.PROCESSED, 0)

    @property
    def failed(self) -> int:
        """Number of files whose last attempt failed; a postponed one counts as before."""
        return len(self._failed)

    @property
    def attempts(self) -> int:
        """Number of files processed and of attempts that failed."""
        return self.processed + sum(self.results.get(failure, 0) for failure in _FAILURES)

    @property
    def durations(self) -> tuple[Sequence[int], float]:
        """Attempts in each bucket of `BUCKETS_S` and above the last, and their seconds in all."""
        with self._lock:
            return tuple(self._buckets), self._total_s
