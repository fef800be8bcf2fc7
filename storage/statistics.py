"""Counts over the whole catalogue. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, not_, select

from storage.database.sessions import CataloguePart
from storage.queue import RUNNING, WAITING
from storage.schema.clip_rows import FILES, PATH, is_within
from storage.schema.records import TagState
from storage.schema.tables import clips, given_annotations, hearings, queue, timetable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Column, Select


@dataclass(frozen=True)
class ReasonCount:
    """The number of files with one reason, and one of them."""

    reason: str
    count: int
    example: Path


@dataclass(frozen=True)
class ScheduledJob:
    """A job and when it is due next."""

    job: str
    next_at: datetime


class CatalogueStatistics(CataloguePart):
    """Counts over one catalogue."""

    def failures_by_reason(self, most: int) -> list[ReasonCount]:
        """Return why files could not be analysed, the commonest reason first."""
        return self._by_reason(select(queue.c.path), queue.c.reason, queue.c.path, most)

    def untagged_by_reason(self, state: TagState, most: int) -> list[ReasonCount]:
        """Return why tags are pending or not written, the commonest reason first."""
        own = (clips.c.tag_state == state) & clips.c.missing_since.is_(None)
        paths = select(PATH).select_from(FILES).where(own)
        return self._by_reason(paths, clips.c.tag_reason, clips.c.id, most)

    def tags_pending_outside(self, folders: Iterable[Path]) -> int:
        """Count the files outside of some folders whose tags are still to be written."""
        own = (clips.c.tag_state == TagState.PENDING) & clips.c.missing_since.is_(None)
        return self._value(select(func.count()).where(own, not_(is_within(folders)))) or 0

    def oldest_due(self, now: datetime) -> datetime | None:
        """Return when the file that waits longest became due, None if none is due."""
        due = queue.c.state.in_([WAITING, RUNNING]) & (queue.c.due_at <= now)
        return self._value(select(queue.c.due_at).where(due).order_by(queue.c.due_at).limit(1))

    def analysed_since(self, moment: datetime) -> int:
        """Count the sounds that were analysed since a moment."""
        return self._value(select(func.count()).where(hearings.c.heard_at >= moment)) or 0

    def last_analysed_at(self) -> datetime | None:
        """Return when a sound was last analysed, None if none was."""
        return self._value(
            select(hearings.c.heard_at).order_by(hearings.c.heard_at.desc()).limit(1)
        )

    def jobs(self) -> list[ScheduledJob]:
        """Return the scheduled jobs, the next first."""
        statement = select(timetable.c.job, timetable.c.next_at).order_by(timetable.c.next_at)
        return [ScheduledJob(*row) for row in self._rows(statement)]

    def annotations(self) -> int:
        """Count the annotations that are in force."""
        return (
            self._value(select(func.count()).where(given_annotations.c.withdrawn_at.is_(None))) or 0
        )

    def _by_reason(
        self, paths: Select[Any], reason: Column[str], order: Column[Any], most: int
    ) -> list[ReasonCount]:
        """Count files by reason; the example is the first of each in an order."""
        place = func.row_number().over(partition_by=reason, order_by=order)
        count = func.count().over(partition_by=reason)
        numbered = paths.add_columns(
            reason.label("why"), count.label("files"), place.label("place")
        )
        found = numbered.where(reason.is_not(None)).subquery().c
        statement = (
            select(found.why, found.files, found.path)
            .where(found.place == 1)
            .order_by(found.files.desc(), found.why)
            .limit(most)
        )
        return [ReasonCount(*row) for row in self._rows(statement)]
