"""What is to be done besides hearing: when it is due, who wished for it, what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from storage.database.sessions import reading
from storage.schema.tables import timetable, trainings, wishes

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Engine

KEPT = 100
"""How many trainings are remembered."""


@dataclass(frozen=True)
class TrainingRun:
    """One attempt to learn.

    Attributes:
        begun_at: when.
        annotations: how many sounds were annotated then.
        outcome: `published`, `kept back` or `failed`.
        reason: why so, in one line.
        bundle: the candidate; None if there is none.
        id: its number, once it is noted.
    """

    begun_at: datetime
    annotations: int
    outcome: str
    reason: str
    bundle: str | None = None
    id: int | None = None


@dataclass(frozen=True)
class JobStore:
    """Timetable, wishes and trainings of one catalogue. Every method is one transaction."""

    engine: Engine

    def next_run(self, job: str, schedule: str) -> datetime | None:
        """Return when a job is due next, None if it was never planned by this schedule."""
        own = (timetable.c.job == job) & (timetable.c.schedule == schedule)
        with reading(self.engine) as connection:
            return connection.execute(select(timetable.c.next_at).where(own)).scalar()

    def plan(self, job: str, schedule: str, next_at: datetime) -> None:
        """Remember when a job is due next, also for the time after a restart."""
        values = {"schedule": schedule, "next_at": next_at}
        with self.engine.begin() as connection:
            connection.execute(
                upsert(timetable)
                .values(job=job, **values)
                .on_conflict_do_update(index_elements=["job"], set_=values)
            )

    def wish(self, errand: str, now: datetime) -> None:
        """Ask for an errand; to ask twice is to ask once."""
        with self.engine.begin() as connection:
            connection.execute(
                upsert(wishes)
                .values(errand=errand, asked_at=now)
                .on_conflict_do_nothing(index_elements=["errand"])
            )

    def is_wished(self, errand: str) -> bool:
        """Tell whether an errand is asked for."""
        with reading(self.engine) as connection:
            statement = select(wishes.c.errand).where(wishes.c.errand == errand)
            return connection.execute(statement).first() is not None

    def fulfil(self, errand: str) -> None:
        """Forget a wish that was met, or cannot be."""
        with self.engine.begin() as connection:
            connection.execute(delete(wishes).where(wishes.c.errand == errand))

    def note_training(self, training: TrainingRun, now: datetime) -> int:
        """Note how learning ended, and return its number."""
        values = {name: value for name, value in vars(training).items() if name != "id"}
        with self.engine.begin() as connection:
            row = connection.execute(
                insert(trainings).values(ended_at=now, **values).returning(trainings.c.id)
            )
            number: int = row.scalar_one()
            connection.execute(delete(trainings).where(trainings.c.id <= number - KEPT))
        return number

    def last_training(self) -> TrainingRun | None:
        """Return the last training."""
        statement = select(
            trainings.c.begun_at,
            trainings.c.annotations,
            trainings.c.outcome,
            trainings.c.reason,
            trainings.c.bundle,
            trainings.c.id,
        ).order_by(trainings.c.id.desc())
        with reading(self.engine) as connection:
            row = connection.execute(statement.limit(1)).one_or_none()
        return None if row is None else TrainingRun(*row)
