"""How the catalogue stands as a whole, for whoever looks in from outside. Reads only."""

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
    """So many files with one reason."""

    reason: str
    count: int


@dataclass(frozen=True)
class ScheduledJob:
    """What is due at a time."""

    job: str
    next_at: datetime


@dataclass(frozen=True)
class CatalogueStatistics:
    """Sums over one catalogue."""

    engine: Engine

    def failures_by_reason(self, most: int) -> list[ReasonCount]:
        """Return why files could not be heard, the commonest reason first."""
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
        """Return why files in a state of their tags have none of ours, the commonest first.

        Args:
            state: `PENDING` for what is tried again, `NOT_WRITTEN` for what was given up.
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
        """Return since when the file waits that is due longest, None if none is due."""
        statement = (
            select(queue.c.due_at)
            .where(queue.c.state.in_([WAITING, RUNNING]), queue.c.due_at <= now)
            .order_by(queue.c.due_at)
            .limit(1)
        )
        with reading(self.engine) as connection:
            return connection.execute(statement).scalar()

    def heard_since(self, moment: datetime) -> int:
        """Count the sounds that were heard since a moment."""
        statement = select(func.count()).where(hearings.c.heard_at >= moment)
        with reading(self.engine) as connection:
            return connection.execute(statement).scalar_one()

    def last_change(self) -> datetime | None:
        """Return the time of the newest sound that was heard."""
        with reading(self.engine) as connection:
            statement = select(hearings.c.heard_at).order_by(hearings.c.heard_at.desc()).limit(1)
            return connection.execute(statement).scalar()

    def jobs(self) -> list[ScheduledJob]:
        """Return what is due when, the next first."""
        statement = select(timetable.c.job, timetable.c.next_at).order_by(timetable.c.next_at)
        with reading(self.engine) as connection:
            return [ScheduledJob(*row) for row in connection.execute(statement)]

    def annotations(self) -> int:
        """Count the annotations that are in force."""
        statement = select(func.count()).where(given_annotations.c.withdrawn_at.is_(None))
        with reading(self.engine) as connection:
            return connection.execute(statement).scalar_one()
