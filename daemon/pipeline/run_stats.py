"""How a run is doing, as only the process itself knows it."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from daemon.pipeline.stages import FileResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

LONGEST_TURN_S: Final = 120.0
"""A main loop that gives no sign for longer hangs; with every file that it finds it gives one."""

BORDERS_S: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class RunStats:
    """Counts and signs of life of one run. Safe to use from several threads.

    Args:
        workers: how many there are.
        clock: the monotonic clock, in seconds.

    Attributes:
        workers: how many there are.
        paused: why work waits for others, None if it does not.
        stuck: the consumer that has been busy with one thing for too long, None if none has.
        trouble: what stands in the way of the main loop, None if nothing does.
        standstill: why no file can be taken in just now, None if any can.
    """

    def __init__(self, workers: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.workers = workers
        self._clock = clock
        self.paused: str | None = None
        self.stuck: str | None = None
        self.trouble: str | None = None
        self.standstill: str | None = None
        self._lock = threading.Lock()
        self._beat_at_s = clock()
        self._busy = 0
        self._fates: Counter[FileResult] = Counter()
        self._slots = [0] * (len(BORDERS_S) + 1)
        self._total_s = 0.0

    def beat(self) -> None:
        """Tell that the main loop has come round."""
        self._beat_at_s = self._clock()

    @property
    def beat_age_s(self) -> float:
        """Seconds since the main loop last came round."""
        return self._clock() - self._beat_at_s

    @property
    def busy(self) -> int:
        """Number of workers that have a file in hand."""
        return self._busy

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Count a worker as busy for the time of a block."""
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1

    def finished(self, fate: FileResult, took_s: float) -> None:
        """Count a file that a worker is done with."""
        with self._lock:
            self._fates[fate] += 1
            if fate is not FileResult.SET_ASIDE:
                self._slots[bisect_left(BORDERS_S, took_s)] += 1
                self._total_s += took_s

    @property
    def fates(self) -> Mapping[FileResult, int]:
        """How many files came to each end."""
        with self._lock:
            return dict(self._fates)

    @property
    def processed(self) -> int:
        """Number of files that were processed."""
        return self.fates.get(FileResult.TAKEN_IN, 0)

    @property
    def failed(self) -> int:
        """Number of attempts that failed; a postponed file counts when it is tried again."""
        fates = self.fates
        return fates.get(FileResult.UNREADABLE, 0) + fates.get(FileResult.UNUSABLE, 0)

    @property
    def attempts(self) -> int:
        """Number of files processed and of attempts that failed."""
        return self.processed + self.failed

    @property
    def seconds(self) -> tuple[Sequence[int], float]:
        """How many files took up to each of `BORDERS_S`, and longer; and all their seconds."""
        with self._lock:
            return tuple(self._slots), self._total_s
