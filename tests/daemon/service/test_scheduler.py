from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from queue import Queue
from typing import TYPE_CHECKING

import pytest
from apscheduler.events import EVENT_JOB_EXECUTED
from apscheduler.triggers.cron import CronTrigger

from config.errors import SettingsError
from daemon.service.scheduler import PeriodicJob, cron_trigger, running_scheduler
from storage.catalogue import Catalogue
from tests.driving import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from storage.jobs import JobStore

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
A_SECOND = timedelta(seconds=1)
"""By which the clock is beyond each hour: it is not asked for to the last microsecond."""
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


def runs_of(clock: Clock, store: JobStore, hours: list[int]) -> list[datetime]:
    """Let the service run, the clock stepping to each hour after its start; return the runs."""
    runs: list[datetime] = []
    ran: Queue[object] = Queue()
    loop = PeriodicJob(
        "learn", lambda: runs.append(clock() - A_SECOND), schedule=AT_FOUR, persistent=True
    )
    tick = PeriodicJob("tick", lambda: None, interval_s=3590)
    with running_scheduler([loop, tick], store, clock) as scheduler:
        scheduler.add_listener(ran.put, EVENT_JOB_EXECUTED)
        for hour in hours:
            clock.now = START + timedelta(hours=hour) + A_SECOND
            scheduler.wakeup()
            # The tick is due at every step, and executed after whatever was due before it.
            while ran.get(timeout=PATIENCE_S).job_id != "tick":  # type: ignore[attr-defined]
                pass
    return runs


def test_a_nightly_job_runs_once_each_night_of_a_month(clock: Clock, store: JobStore) -> None:
    runs = runs_of(clock, store, list(range(1, 30 * 24 + 1)))
    assert runs == [datetime(2026, 3, day, 4, tzinfo=UTC) for day in range(2, 32)]


def test_runs_missed_while_the_service_was_down_are_made_up_for_once(
    clock: Clock, store: JobStore
) -> None:
    assert len(runs_of(clock, store, [1, 17])) == 1
    assert runs_of(clock, store, [24 * 7, 24 * 7 + 1]) == [START + timedelta(days=7)]
    assert runs_of(clock, store, [24 * 7 + 2]) == []


def test_the_scheduler_sleeps_while_nothing_is_due(store: JobStore) -> None:
    asked, ticks = 0, Queue[object]()

    def counted() -> datetime:
        nonlocal asked
        asked += 1
        return datetime.now(UTC)

    with running_scheduler(
        [PeriodicJob("tick", lambda: None, interval_s=0.2)], store, counted
    ) as scheduler:
        scheduler.add_listener(ticks.put, EVENT_JOB_EXECUTED)
        for _ in range(3):
            ticks.get(timeout=PATIENCE_S)
    assert asked < 100


def test_a_changed_schedule_discards_the_stored_due_time(clock: Clock, store: JobStore) -> None:
    store.plan("learn", "another schedule", START - timedelta(days=1))
    assert runs_of(clock, store, [1]) == []


@pytest.mark.parametrize("bad", ["", "now and then", "61 4 * * *", "0 4 * *", "0 4 * * 0"])
def test_an_invalid_cron_line_is_refused(bad: str) -> None:
    with pytest.raises(SettingsError, match=r"retrain\.schedule"):
        cron_trigger(bad)


def test_weekdays_are_written_as_names() -> None:
    assert "sun" in str(cron_trigger("30 5 * * sun"))
