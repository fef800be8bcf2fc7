"""What the running service reports to other processes: pause, bundle, settings, confinement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select

from storage.database.sessions import CataloguePart
from storage.schema.tables import notes
from storage.schema.upserts import upsert

if TYPE_CHECKING:
    from datetime import datetime

PAUSED: Final = "paused"
"""Why the analysis is paused."""

BUNDLE: Final = "bundle"
"""Why the published bundle is not in use."""

SETTINGS: Final = "settings"
"""Why the settings that were read last are not in force."""

CONFINEMENT: Final = "confinement"
"""What keeps the workers of this run from all but the sound they read, or what is missing."""


@dataclass(frozen=True)
class ServiceNote:
    """A state that holds at the moment, in one line, and when it began."""

    text: str
    since: datetime


class ServiceNotes(CataloguePart):
    """The notes of one catalogue, at most one about each subject."""

    def set(self, about: str, text: str | None, now: datetime) -> None:
        """Set the note about a subject, or delete it (None); the same text keeps its time."""
        if text is None:
            self._write(delete(notes).where(notes.c.about == about))
            return
        values = {"said": text, "since": now}
        self._write(
            upsert(notes)
            .values(about=about, **values)
            .on_conflict_do_update(
                index_elements=["about"], set_=values, where=notes.c.said != text
            )
        )

    def clear(self) -> None:
        """Delete the notes of an earlier run."""
        self._write(delete(notes))

    def get(self, about: str) -> ServiceNote | None:
        """Return the note about a subject."""
        row = self._row(select(notes.c.said, notes.c.since).where(notes.c.about == about))
        return None if row is None else ServiceNote(row.said, row.since)
