"""The default clocks."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from storage.catalogue import Catalogue

SHORTEST_STEP_S = 2.0
"""A clock that is adjusted gently moves less between two looks."""


def utc_now() -> datetime:
    """Return the time, aware of its zone."""
    return datetime.now(UTC)


def steady_s() -> float:
    """Return the seconds since the machine was started, suspension included; nobody can set it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ClockWatch:
    """Notices that the wall clock was set.

    Args:
        clock: the time, aware of its zone.
        steady_s: seconds of a clock that nobody can set.
    """

    def __init__(
        self, clock: Callable[[], datetime], steady_s: Callable[[], float] = steady_s
    ) -> None:
        self._clock = clock
        self._steady_s = steady_s
        self._offset_s = self._offset()

    def step_s(self) -> float:
        """Return by how many seconds the clock was set since the last call, mostly 0."""
        offset_s = self._offset()
        step_s, self._offset_s = offset_s - self._offset_s, offset_s
        return step_s if abs(step_s) > SHORTEST_STEP_S else 0.0

    def _offset(self) -> float:
        return self._clock().timestamp() - self._steady_s()


def correct_future_times(
    catalogue: Catalogue, now: datetime, allowed: timedelta = timedelta()
) -> None:
    """Correct what a clock that was set back since would leave undone until then.

    Args:
        catalogue: with files that are due, and trainings.
        now: the time.
        allowed: how far from now a file may be due.

    Raises:
        CatalogueError: the catalogue cannot be written.
    """
    catalogue.queue.expedite(now, now + allowed)
    catalogue.jobs.correct_future_trainings(now)
