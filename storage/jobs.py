"""Scheduled and requested jobs, and the outcomes of training."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert, select, update

from storage.database.sessions import CataloguePart
from storage.schema.tables import timetable, trainings, wishes
from storage.schema.upserts import upsert

if TYPE_CHECKING:
    from datetime import datetime

MOST_TRAININGS: Final = 100


LEARN: Final = "learn"
RETAG: Final = "write tags"
"""Jobs that a command requests of the service."""


@dataclass(frozen=True)
class TrainingRun:
    """One training.

    Attributes:
        begun_at: when it began.
        annotations: number of annotated sounds at that time.
        outcome: `published`, `kept back` or `failed`.
        reason: of the outcome, in one line.
        bundle: the candidate, None if there is none.
        id: its number in the catalogue, None before it is recorded.
    """

    begun_at: datetime
    annotations: int
    outcome: str
    reason: str
    bundle: str | None = None
    id: int | None = None


class JobStore(CataloguePart):
    """Schedule, requests and trainings of one catalogue."""

    def next_run(self, job: str, schedule: str) -> datetime | None:
        """Return when a job is due next, None if this schedule has not planned it yet."""
        own = (timetable.c.job == job) & (timetable.c.schedule == schedule)
        return self._value(select(timetable.c.next_at).where(own))

    def plan(self, job: str, schedule: str, next_at: datetime) -> None:
        """Store when a job is due next, so that a restart does not lose it."""
        values = {"schedule": schedule, "next_at": next_at}
        self._write(
            upsert(timetable)
            .values(job=job, **values)
            .on_conflict_do_update(index_elements=["job"], set_=values)
        )

    def request(self, job: str, now: datetime) -> None:
        """Request a job; a second request changes only when it was requested last."""
        self._write(
            upsert(wishes)
            .values(errand=job, asked_at=now)
            .on_conflict_do_update(index_elements=["errand"], set_={"asked_at": now})
        )

    def requested_at(self, job: str) -> datetime | None:
        """Return when a job was requested last, None if it was not since it was done last."""
        return self._value(select(wishes.c.asked_at).where(wishes.c.errand == job))

    def is_requested(self, job: str) -> bool:
        """Return whether a job is requested."""
        return self.requested_at(job) is not None

    def clear_request(self, job: str) -> None:
        """Delete the request of a job that is done, or cannot be done."""
        self._write(delete(wishes).where(wishes.c.errand == job))

    def record_training(self, training: TrainingRun, now: datetime) -> int:
        """Record a training that has ended, and return its number."""
        values = {name: value for name, value in vars(training).items() if name != "id"}
        with self.engine.begin() as connection:
            row = connection.execute(
                insert(trainings).values(ended_at=now, **values).returning(trainings.c.id)
            )
            number: int = row.scalar_one()
            connection.execute(delete(trainings).where(trainings.c.id <= number - MOST_TRAININGS))
        return number

    def correct_future_trainings(self, now: datetime) -> None:
        """Set trainings that a wrong clock dated later than now to now.

        Annotations of today would seem older than they are, and never be learned from.
        """
        future = update(trainings).where(trainings.c.begun_at > now)
        self._write(future.values(begun_at=now, ended_at=now))

    def last_training(self) -> TrainingRun | None:
        """Return the last training, None if there was none."""
        columns = [trainings.c[column.name] for column in fields(TrainingRun)]
        row = self._row(select(*columns).order_by(trainings.c.id.desc()).limit(1))
        return None if row is None else TrainingRun(*row)
