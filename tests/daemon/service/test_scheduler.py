from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from queue import Queue
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.triggers.cron import CronTrigger

from config.errors import SettingsError
from daemon.clock import steady_s
from daemon.service.scheduler import (
    CalendarJob,
    PeriodicJob,
    change_interval,
    cron_trigger,
    running_scheduler,
)
from storage.catalogue import Catalogue
from tests.driving import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from storage.jobs import JobStore

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
OCTOBER = 10
AT_FOUR = CronTrigger.from_crontab("0 4 * * *", timezone="UTC")


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    with closing(Catalogue(f"sqlite:///{tmp_path / 'catalogue.db'}")) as catalogue:
        yield catalogue.jobs


def runs_of(
    clock: Clock, store: JobStore, times: Iterable[datetime], schedule: CronTrigger = AT_FOUR
) -> list[datetime]:
    """Let the service run, the clock showing one time after the other; return the runs."""
    runs: list[datetime] = []
    job = CalendarJob("learn", lambda: runs.append(clock()), schedule, store, clock)
    for time in times:
        clock.now = time
        job.check()
    return runs


def hours(*numbers: int) -> list[datetime]:
    return [START + timedelta(hours=number) for number in numbers]


def test_a_nightly_job_runs_once_each_night_of_a_month(clock: Clock, store: JobStore) -> None:
    runs = runs_of(clock, store, hours(*range(1, 30 * 24 + 1)))
    assert runs == [datetime(2026, 3, day, 4, tzinfo=UTC) for day in range(2, 32)]


def test_runs_missed_while_the_service_was_down_are_made_up_for_once(
    clock: Clock, store: JobStore
) -> None:
    assert len(runs_of(clock, store, hours(1, 17))) == 1
    assert runs_of(clock, store, hours(24 * 7, 24 * 7 + 1)) == hours(24 * 7)
    assert runs_of(clock, store, hours(24 * 7 + 2)) == []


@pytest.mark.parametrize("wrong", [timedelta(days=1), timedelta(days=365 * 70)])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_clock_that_is_set_back_delays_no_run(
    clock: Clock, store: JobStore, wrong: timedelta, *, restarts: bool
) -> None:
    ahead = [START + wrong, START + wrong + timedelta(days=1)]
    clock.now = ahead[0]
    right = hours(1, 17, 18, 40)
    stretches = [ahead, right] if restarts else [ahead + right]
    runs = [run for times in stretches for run in runs_of(clock, store, times)]
    assert runs == [*ahead[1:], *hours(17, 40)]


def test_a_clock_that_is_set_forward_causes_one_run(clock: Clock, store: JobStore) -> None:
    assert len(runs_of(clock, store, hours(1, 24 * 365, 24 * 365 + 1))) == 1


@pytest.mark.parametrize("month", [3, 10])
def test_no_night_is_left_out_when_summer_time_begins_or_ends(
    clock: Clock, store: JobStore, month: int
) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    schedule = CronTrigger.from_crontab("30 2 * * *", timezone=berlin)
    clock.now = datetime(2026, month, 20, 12, tzinfo=UTC)
    times = [clock.now + timedelta(minutes=10 * step) for step in range(10 * 24 * 6)]
    dates = [run.astimezone(berlin).date() for run in runs_of(clock, store, times, schedule)]
    assert set(dates) == {date(2026, month, day) for day in range(21, 31)}
    # The half past two that comes twice.
    assert len(dates) - len(set(dates)) == (month == OCTOBER)


def test_a_schedule_that_never_comes_runs_nothing(clock: Clock, store: JobStore) -> None:
    never = CronTrigger.from_crontab("0 4 31 2 *", timezone="UTC")
    assert runs_of(clock, store, hours(1, 24 * 365), never) == []


def test_a_job_runs_although_its_next_time_cannot_be_stored(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.engine.BUSY_TIMEOUT_S", 0.01)
    file = tmp_path / "locked.db"
    with (
        closing(Catalogue(f"sqlite:///{file}")) as catalogue,
        closing(sqlite3.connect(file, isolation_level=None)) as somebody,
    ):
        somebody.execute("BEGIN IMMEDIATE")
        assert runs_of(clock, catalogue.jobs, hours(17, 18)) == hours(17)
        somebody.execute("ROLLBACK")
        assert runs_of(clock, catalogue.jobs, hours(19)) == []
        assert catalogue.jobs.next_run("learn", str(AT_FOUR)) == START + timedelta(hours=40)


def test_an_interval_does_not_depend_on_the_wall_clock() -> None:
    now_s, ran = 1000.0, Queue[object]()
    job = PeriodicJob("tick", lambda: None, interval_s=3600)
    with running_scheduler([job], lambda: now_s) as scheduler:
        scheduler.add_listener(ran.put, EVENT_JOB_EXECUTED)
        for _ in range(3):
            now_s += 3601
            scheduler.wakeup()
            ran.get(timeout=PATIENCE_S)
        scheduler.wakeup()
    assert ran.empty()


def test_a_changed_interval_counts_from_now() -> None:
    now_s, ran = 1000.0, Queue[object]()
    job = PeriodicJob("tick", lambda: None, interval_s=36000)
    with running_scheduler([job], lambda: now_s) as scheduler:
        scheduler.add_listener(ran.put, EVENT_JOB_EXECUTED)
        change_interval(scheduler, "tick", 60)
        now_s += 61
        scheduler.wakeup()
        ran.get(timeout=PATIENCE_S)


def test_the_scheduler_sleeps_while_nothing_is_due() -> None:
    looks, ticks = 0, Queue[object]()

    def counted() -> float:
        nonlocal looks
        looks += 1
        return steady_s()

    with running_scheduler(
        [PeriodicJob("tick", lambda: None, interval_s=0.2)], counted
    ) as scheduler:
        scheduler.add_listener(ticks.put, EVENT_JOB_EXECUTED)
        for _ in range(3):
            ticks.get(timeout=PATIENCE_S)
    assert looks < 100


def test_a_changed_schedule_discards_the_stored_due_time(clock: Clock, store: JobStore) -> None:
    store.plan("learn", "another schedule", START - timedelta(days=1))
    assert runs_of(clock, store, hours(1)) == []


@pytest.mark.parametrize("bad", ["", "now and then", "61 4 * * *", "0 4 * *", "0 4 * * 0"])
def test_an_invalid_cron_line_is_refused(bad: str) -> None:
    with pytest.raises(SettingsError, match=r"retrain\.schedule"):
        cron_trigger(bad)


def test_weekdays_are_written_as_names() -> None:
    assert "sun" in str(cron_trigger("30 5 * * sun"))
