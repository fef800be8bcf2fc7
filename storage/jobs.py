"""Scheduled and requested jobs, and the outcomes of training."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from storage.database.sessions import reading
from storage.schema.tables import timetable, trainings, wishes

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Engine

MOST_TRAININGS: Final = 100


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


@dataclass(frozen=True)
class JobStore:
    """Schedule, requests and trainings of one catalogue. Every method is one transaction."""

    engine: Engine

    def next_run(self, job: str, schedule: str) -> datetime | None:
        """Return when a job is due next, None if this schedule has not planned it yet."""
        own = (timetable.c.job == job) & (timetable.c.schedule == schedule)
        with reading(self.engine) as connection:
            return connection.execute(select(timetable.c.next_at).where(own)).scalar()

    def plan(self, job: str, schedule: str, next_at: datetime) -> None:
        """Store when a job is due next, so that a restart does not lose it."""
        values = {"schedule": schedule, "next_at": next_at}
        with self.engine.begin() as connection:
            connection.execute(
                upsert(timetable)
                .values(job=job, **values)
                .on_conflict_do_update(index_elements=["job"], set_=values)
            )

    def request(self, job: str, now: datetime) -> None:
        """Request a job; a second request changes nothing."""
        with self.engine.begin() as connection:
            connection.execute(
                upsert(wishes)
                .values(errand=job, asked_at=now)
                .on_conflict_do_nothing(index_elements=["errand"])
            )

    def is_requested(self, job: str) -> bool:
        """Return whether a job is requested."""
        with reading(self.engine) as connection:
            statement = select(wishes.c.errand).where(wishes.c.errand == job)
            return connection.execute(statement).first() is not None

    def clear_request(self, job: str) -> None:
        """Delete the request of a job that is done, or cannot be done."""
        with self.engine.begin() as connection:
            connection.execute(delete(wishes).where(wishes.c.errand == job))

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

    def last_training(self) -> TrainingRun | None:
        """Return the last training, None if there was none."""
        columns = [trainings.c[column.name] for column in fields(TrainingRun)]
        statement = select(*columns).order_by(trainings.c.id.desc())
        with reading(self.engine) as connection:
            row = connection.execute(statement.limit(1)).one_or_none()
        return None if row is None else TrainingRun(*row)
