"""What the service says of itself to whoever looks in from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from storage.database.sessions import reading
from storage.schema.tables import notes

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Engine


PAUSED: Final = "paused"
"""Why work waits for others."""

BUNDLE: Final = "bundle"
"""Why a bundle that was published is not in service."""

SETTINGS: Final = "settings"
"""Why the settings that were read last are not in force."""


@dataclass(frozen=True)
class ServiceNote:
    """Something that holds at the moment.

    Attributes:
        said: one line.
        since: since when.
    """

    said: str
    since: datetime


@dataclass(frozen=True)
class ServiceNotes:
    """The notes of one catalogue, at most one about each thing."""

    engine: Engine

    def say(self, about: str, said: str | None, now: datetime) -> None:
        """Note what holds from now on; None takes the note away, and so does the next start.

        What is said already keeps its time.
        """
        values = {"said": said, "since": now}
        with self.engine.begin() as connection:
            if said is None:
                connection.execute(delete(notes).where(notes.c.about == about))
                return
            connection.execute(
                upsert(notes)
                .values(about=about, **values)
                .on_conflict_do_update(
                    index_elements=["about"], set_=values, where=notes.c.said != said
                )
            )

    def clear(self) -> None:
        """Take every note away: what an earlier run said holds no more."""
        with self.engine.begin() as connection:
            connection.execute(delete(notes))

    def about(self, thing: str) -> ServiceNote | None:
        """Return what is noted about something."""
        with reading(self.engine) as connection:
            row = connection.execute(
                select(notes.c.said, notes.c.since).where(notes.c.about == thing)
            ).one_or_none()
        return None if row is None else ServiceNote(row.said, row.since)
