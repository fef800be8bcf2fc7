"""Periodic jobs: reconciling, checking folders, database maintenance, retraining.

APScheduler runs them. The due time of a persistent job is stored in the catalogue, as plain values:
nothing is pickled.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from config.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from storage.jobs import JobStore

CHECK_FOLDERS_S = 10.0
"""Interval of checking whether a disk was mounted again, in seconds."""

MAINTENANCE_S = 3600.0
"""Interval of database maintenance, in seconds."""

_IN_MEMORY, _PERSISTENT = "in memory", "persistent"


@dataclass(frozen=True)
class PeriodicJob:
    """A job that recurs, at an interval or by a schedule.

    Attributes:
        name: unique.
        run: must return at once.
        interval_s: in seconds.
        schedule: times instead of an interval, from `cron_trigger`.
        persistent: whether a run that was due while the service was down is made up for at the
            start; many missed ones count as one.
    """

    name: str
    run: Callable[[], None]
    interval_s: float = 0.0
    schedule: CronTrigger | None = None
    persistent: bool = False


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


class _PersistentStore(MemoryJobStore):  # type: ignore[misc]
    """Stores in the catalogue when each job is due next."""

    def __init__(self, store: JobStore) -> None:
        super().__init__()
        self._store = store

    def add_job(self, job: Any) -> None:
        super().add_job(job)
        self._store.plan(job.id, str(job.trigger), job.next_run_time)

    def update_job(self, job: Any) -> None:
        super().update_job(job)
        self._store.plan(job.id, str(job.trigger), job.next_run_time)


class _ClockZone(tzinfo):
    """Makes the scheduler, which asks for the time in its zone, use the given clock."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def fromutc(self, dt: datetime) -> datetime:
        # Future times are converted to this zone, too. So only the clock's offset from the
        # machine's is added: if each conversion returned now, the scheduler would never sleep.
        return dt.replace(tzinfo=UTC) + (self._clock() - datetime.now(UTC))

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return UTC.utcoffset(dt)

    def tzname(self, dt: datetime | None) -> str | None:
        return UTC.tzname(dt)

    def dst(self, dt: datetime | None) -> timedelta | None:
        del dt
        return None


def _every(seconds: float, now: datetime) -> IntervalTrigger:
    first = now.astimezone(UTC) + timedelta(seconds=seconds)
    return IntervalTrigger(seconds=seconds, start_date=first, timezone=UTC)


def change_interval(scheduler: BackgroundScheduler, name: str, interval_s: float) -> None:
    """Change the interval of a job, in seconds."""
    now = datetime.now(scheduler.timezone)
    scheduler.reschedule_job(name, trigger=_every(interval_s, now))


@contextmanager
def running_scheduler(
    jobs: Iterable[PeriodicJob], store: JobStore, clock: Callable[[], datetime]
) -> Iterator[BackgroundScheduler]:
    """Run periodic jobs in a thread, for the duration of a block; `store` holds their due times."""
    scheduler = BackgroundScheduler(
        timezone=_ClockZone(clock),
        executors={"default": ThreadPoolExecutor(1)},
        jobstores={_PERSISTENT: _PersistentStore(store), _IN_MEMORY: MemoryJobStore()},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    for job in jobs:
        trigger = job.schedule or _every(job.interval_s, clock())
        due = store.next_run(job.name, str(trigger)) if job.persistent else None
        scheduler.add_job(
            job.run,
            trigger,
            id=job.name,
            jobstore=_PERSISTENT if job.persistent else _IN_MEMORY,
            **({} if due is None else {"next_run_time": due}),
        )
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.shutdown()
