"""Counts over the whole catalogue. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from storage.database.sessions import reading
from storage.queue import RUNNING, WAITING
from storage.schema.tables import clips, given_annotations, hearings, queue, timetable

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Engine

    from storage.schema.records import TagState


@dataclass(frozen=True)
class ReasonCount:
    """The number of files with one reason."""

    reason: str
    count: int


@dataclass(frozen=True)
class ScheduledJob:
    """A job and when it is due next."""

    job: str
    next_at: datetime


@dataclass(frozen=True)
class CatalogueStatistics:
    """Counts over one catalogue."""

    engine: Engine

    def failures_by_reason(self, most: int) -> list[ReasonCount]:
        """Return why files could not be analysed, the commonest reason first."""
        statement = (
            select(queue.c.reason, func.count())
            .where(queue.c.reason.is_not(None))
            .group_by(queue.c.reason)
            .order_by(func.count().desc(), queue.c.reason)
            .limit(most)
        )
        with reading(self.engine) as connection:
            return [ReasonCount(*row) for row in connection.execute(statement)]

    def untagged_by_reason(self, state: TagState, most: int) -> list[ReasonCount]:
        """Return why tags were not written, the commonest reason first.

        Args:
            state: `PENDING` for those that are retried, `NOT_WRITTEN` for those given up.
            most: how many reasons to return.
        """
        statement = (
            select(clips.c.tag_reason, func.count())
            .where(clips.c.tag_state == state, clips.c.missing_since.is_(None))
            .where(clips.c.tag_reason.is_not(None))
            .group_by(clips.c.tag_reason)
            .order_by(func.count().desc(), clips.c.tag_reason)
            .limit(most)
        )
        with reading(self.engine) as connection:
            return [ReasonCount(*row) for row in connection.execute(statement)]

    def oldest_due(self, now: datetime) -> datetime | None:
        """Return when the file that waits longest became due, None if none is due."""
        statement = (
            select(queue.c.due_at)
            .where(queue.c.state.in_([WAITING, RUNNING]), queue.c.due_at <= now)
            .order_by(queue.c.due_at)
            .limit(1)
        )
        with reading(self.engine) as connection:
            return connection.execute(statement).scalar()

    def analysed_since(self, moment: datetime) -> int:
        """Count the sounds that were analysed since a moment."""
        statement = select(func.count()).where(hearings.c.heard_at >= moment)
        with reading(self.engine) as connection:
            return connection.execute(statement).scalar_one()

    def last_analysed_at(self) -> datetime | None:
        """Return when a sound was last analysed, None if none was."""
        with reading(self.engine) as connection:
            statement = select(hearings.c.heard_at).order_by(hearings.c.heard_at.desc()).limit(1)
            return connection.execute(statement).scalar()

    def jobs(self) -> list[ScheduledJob]:
        """Return the scheduled jobs, the next first."""
        statement = select(timetable.c.job, timetable.c.next_at).order_by(timetable.c.next_at)
        with reading(self.engine) as connection:
            return [ScheduledJob(*row) for row in connection.execute(statement)]

    def annotations(self) -> int:
        """Count the annotations that are in force."""
        statement = select(func.count()).where(given_annotations.c.withdrawn_at.is_(None))
        with reading(self.engine) as connection:
            return connection.execute(statement).scalar_one()
