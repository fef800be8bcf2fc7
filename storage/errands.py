"""What is to be done besides hearing: when it is due, who wished for it, what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from storage.tables import timetable, trainings, wishes

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection, Engine

KEPT = 100
"""How many trainings are remembered."""


@dataclass(frozen=True)
class Training:
    """One attempt to learn: `outcome` is `published`, `kept back` or `failed`, None while it runs.

    Attributes:
        id: its number.
        begun_at: when.
        annotations: how many were in force then.
        outcome: how it ended.
        reason: why so, in one line.
        bundle: the candidate.
    """

    id: int
    begun_at: datetime
    annotations: int
    outcome: str | None = None
    reason: str | None = None
    bundle: str | None = None


@dataclass(frozen=True)
class Errands:
    """Timetable, wishes and trainings of one catalogue. Every method is one transaction."""

    engine: Engine

    def next_run(self, job: str, schedule: str) -> datetime | None:
        """Return when a job is due next, None if it was never planned by this schedule."""
        own = (timetable.c.job == job) & (timetable.c.schedule == schedule)
        with self._reading() as connection:
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
        with self._reading() as connection:
            statement = select(wishes.c.errand).where(wishes.c.errand == errand)
            return connection.execute(statement).first() is not None

    def fulfil(self, errand: str) -> None:
        """Forget a wish that was met, or cannot be."""
        with self.engine.begin() as connection:
            connection.execute(delete(wishes).where(wishes.c.errand == errand))

    def begin_training(self, annotations: int, now: datetime) -> int:
        """Note that learning begins, and return its number; one left open was killed."""
        values = {"begun_at": now, "annotations": annotations}
        with self.engine.begin() as connection:
            connection.execute(delete(trainings).where(trainings.c.ended_at.is_(None)))
            row = connection.execute(insert(trainings).values(values).returning(trainings.c.id))
            number: int = row.scalar_one()
            connection.execute(delete(trainings).where(trainings.c.id <= number - KEPT))
        return number

    def end_training(self, ended: Training, now: datetime) -> None:
        """Note how learning ended."""
        values = {"outcome": ended.outcome, "reason": ended.reason, "bundle": ended.bundle}
        with self.engine.begin() as connection:
            connection.execute(
                update(trainings).where(trainings.c.id == ended.id).values(ended_at=now, **values)
            )

    def last_training(self) -> Training | None:
        """Return the last training that came to an end."""
        statement = (
            select(
                trainings.c.id,
                trainings.c.begun_at,
                trainings.c.annotations,
                trainings.c.outcome,
                trainings.c.reason,
                trainings.c.bundle,
            )
            .where(trainings.c.ended_at.is_not(None))
            .order_by(trainings.c.id.desc())
        )
        with self._reading() as connection:
            row = connection.execute(statement.limit(1)).one_or_none()
        return None if row is None else Training(*row)

    def _reading(self) -> Connection:
        return self.engine.connect().execution_options(read_only=True)
