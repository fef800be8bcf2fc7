"""The slower loops, all in one place."""

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

LOOK_S = 10.0
"""How soon a disk that was mounted again is noticed, in seconds."""

UPKEEP_S = 3600.0
"""How often the catalogue's file is kept small, in seconds."""

_IN_MEMORY, _LASTING = "in memory", "lasting"


@dataclass(frozen=True)
class PeriodicJob:
    """Something that recurs.

    Attributes:
        name: unique.
        run: must return at once.
        every_s: in which rhythm, in seconds.
        schedule: or at which times, as `at` makes them.
        lasts: whether a run that was due while the service was down is made up for at start; many
            missed ones count as one.
    """

    name: str
    run: Callable[[], None]
    every_s: float = 0.0
    schedule: CronTrigger | None = None
    lasts: bool = False


def cron_trigger(schedule: str) -> CronTrigger:
    """Make the times of what recurs by a cron line, in local time.

    Raises:
        SettingsError: the line cannot be understood.
    """
    wrong = f"retrain.schedule: {schedule!r} is no cron line such as '0 4 * * mon'"
    # Programs do not agree on whether weekday 0 is a Sunday or a Monday.
    if any(character.isdigit() for character in "".join(schedule.split()[4:])):
        raise SettingsError([f"{wrong}: weekdays go by name"])
    try:
        return CronTrigger.from_crontab(schedule)
    except ValueError as error:
        raise SettingsError([f"{wrong}: {error}"]) from error


class _LastingStore(MemoryJobStore):  # type: ignore[misc]
    """Keeps in the catalogue when each job is due next, and nothing that would be unpickled."""

    def __init__(self, errands: JobStore) -> None:
        super().__init__()
        self._errands = errands

    def add_job(self, job: Any) -> None:
        super().add_job(job)
        self._errands.plan(job.id, str(job.trigger), job.next_run_time)

    def update_job(self, job: Any) -> None:
        super().update_job(job)
        self._errands.plan(job.id, str(job.trigger), job.next_run_time)


class _ClockZone(tzinfo):
    """Lets a scheduler, which asks for the time in its zone, ask the given clock."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def fromutc(self, dt: datetime) -> datetime:
        # Times to come are asked for in this zone too, so the clock may only be told by how far it
        # is from the machine's: were each answered by now, the scheduler would never rest.
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


def change_interval(scheduler: BackgroundScheduler, name: str, every_s: float) -> None:
    """Let a loop that has no schedule recur in another rhythm, in seconds."""
    now = datetime.now(scheduler.timezone)
    scheduler.reschedule_job(name, trigger=_every(every_s, now))


@contextmanager
def running_scheduler(
    loops: Iterable[PeriodicJob], errands: JobStore, clock: Callable[[], datetime]
) -> Iterator[BackgroundScheduler]:
    """Run what recurs, each loop in its own rhythm, until the block ends.

    Args:
        loops: what recurs.
        errands: remembers across restarts when a lasting loop is due next.
        clock: the time, aware of its zone.
    """
    scheduler = BackgroundScheduler(
        timezone=_ClockZone(clock),
        executors={"default": ThreadPoolExecutor(1)},
        jobstores={_LASTING: _LastingStore(errands), _IN_MEMORY: MemoryJobStore()},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    for loop in loops:
        trigger = loop.schedule or _every(loop.every_s, clock())
        due = errands.next_run(loop.name, str(trigger)) if loop.lasts else None
        scheduler.add_job(
            loop.run,
            trigger,
            id=loop.name,
            jobstore=_LASTING if loop.lasts else _IN_MEMORY,
            **({} if due is None else {"next_run_time": due}),
        )
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.shutdown()
