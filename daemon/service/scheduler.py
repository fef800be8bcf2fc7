"""Periodic jobs: reconciling, checking folders, database maintenance, retraining.

APScheduler runs them, by a clock that nobody can set: a wall clock that is set back would stop
them. Only a schedule in local time follows the wall clock, and its due time is stored in the
catalogue.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from config.errors import SettingsError
from daemon.clock import steady_s
from storage.schema.catalogue_errors import CatalogueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from storage.jobs import JobStore

log = logging.getLogger(__name__)

CHECK_FOLDERS_S = 10.0
"""Interval of checking whether a disk was mounted again, in seconds."""

CHECK_SHARED_S = 2.0
"""The same where other services put files into the queue, which are looked for then as well."""

MAINTENANCE_S = 3600.0
"""Interval of database maintenance, in seconds."""

CHECK_CALENDAR_S = 30.0
"""Interval of checking whether a scheduled time has come, in seconds."""

# When the machine was started, for the scheduler: later than any wall clock shows.
_EPOCH: Final = datetime(2200, 1, 1, tzinfo=UTC)

# The resolution of a schedule.
_A_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class PeriodicJob:
    """A job that recurs at an interval.

    Attributes:
        name: unique.
        run: must return at once.
        interval_s: in seconds.
    """

    name: str
    run: Callable[[], None]
    interval_s: float


def cron_trigger(schedule: str) -> CronTrigger:
    """Parse a cron line, in local time.

    Raises:
        SettingsError: it is no valid cron line.
    """
    wrong = f"retrain.schedule: {schedule!r} is not a cron line such as '0 4 * * mon'"
    # Programs do not agree on whether weekday 0 is a Sunday or a Monday.
    if any(character.isdigit() for character in "".join(schedule.split()[4:])):
        raise SettingsError([f"{wrong}: write weekdays as names"])
    try:
        return CronTrigger.from_crontab(schedule)
    except ValueError as error:
        raise SettingsError([f"{wrong}: {error}"]) from error


class CalendarJob:
    """A job that recurs by a schedule in local time, also when the clock is set meanwhile.

    A run that was due while the service was down is made up for; many missed ones count as one.

    Args:
        name: unique.
        run: must return at once.
        schedule: from `cron_trigger`.
        store: holds the due time.
        clock: the time, aware of its zone.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[], None],
        schedule: CronTrigger,
        store: JobStore,
        clock: Callable[[], datetime],
    ) -> None:
        self._name = name
        self._run = run
        self._schedule = schedule
        self._store = store
        self._clock = clock
        self._stored = store.next_run(name, str(schedule))
        self._due = self._stored or self._following(clock())

    def check(self) -> None:
        """Run the job if it is due, and store when it is due next."""
        now = self._clock()
        if self._due is None:
            # The schedule names no time that will ever come, such as a 31st of February.
            return
        is_due, following = self._due <= now, self._following(now)
        # A time beyond the following one was planned by a clock that has been set back since.
        if following is None or is_due or following < self._due:
            self._due = following
        if is_due:
            self._run()
        if self._due is not None and self._due != self._stored:
            try:
                self._store.plan(self._name, str(self._schedule), self._due)
                self._stored = self._due
            except CatalogueError as error:
                log.debug("the next time of '%s' is stored later: %s", self._name, error)

    def _following(self, now: datetime) -> datetime | None:
        following: datetime | None = self._schedule.get_next_fire_time(None, now + _A_SECOND)
        # Of two times in one zone, the wall clocks are compared, which may show one time twice.
        return None if following is None else following.astimezone(UTC)


class _SteadyZone(tzinfo):
    """Makes the scheduler, which asks for the time in its zone, use a steady clock."""

    def __init__(self, steady_s: Callable[[], float]) -> None:
        self._steady_s = steady_s

    def fromutc(self, dt: datetime) -> datetime:
        utc = dt.replace(tzinfo=UTC)
        # The scheduler also converts times that it has from here.
        return utc if utc >= _EPOCH else _EPOCH + timedelta(seconds=self._steady_s())

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return UTC.utcoffset(dt)

    def tzname(self, dt: datetime | None) -> str | None:
        return UTC.tzname(dt)

    def dst(self, dt: datetime | None) -> timedelta | None:
        del dt
        return None


def _every(seconds: float, zone: tzinfo) -> IntervalTrigger:
    first = datetime.now(zone).astimezone(UTC) + timedelta(seconds=seconds)
    return IntervalTrigger(seconds=seconds, start_date=first, timezone=UTC)


def change_interval(scheduler: BackgroundScheduler, name: str, interval_s: float) -> None:
    """Change the interval of a job, in seconds."""
    scheduler.reschedule_job(name, trigger=_every(interval_s, scheduler.timezone))


@contextmanager
def running_scheduler(
    jobs: Iterable[PeriodicJob], steady_s: Callable[[], float] = steady_s
) -> Iterator[BackgroundScheduler]:
    """Run periodic jobs in a thread for the duration of a block, by a steady clock in seconds."""
    zone = _SteadyZone(steady_s)
    scheduler = BackgroundScheduler(
        timezone=zone,
        executors={"default": ThreadPoolExecutor(1)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    for job in jobs:
        scheduler.add_job(job.run, _every(job.interval_s, zone), id=job.name)
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.shutdown()
