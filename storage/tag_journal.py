"""Stores for each clip the undo record, outcome and retry state of its tag writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from storage.database.sessions import CataloguePart, batches
from storage.schema.records import TagState
from storage.schema.row_mapping import TAGGED, look_values
from storage.schema.tables import at_or_below, clips, tag_journal
from storage.schema.views import felt
from storage.stale_tags import TAGS_DUE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

    from storage.schema.records import Clip, Tagged, TagOutcome


class TagJournal(CataloguePart):
    """The tag writes of one catalogue."""

    def begin(self, clip: Clip, undo: Mapping[str, Any], now: datetime) -> None:
        """Store what undoes a tag write, before it changes the file."""
        values = {"clip_id": clip.id, "identity": clip.identity, "written_at": now}
        self._write(insert(tag_journal).values(before=json.dumps(undo), **values))

    def count_tries(self, clip: Clip, tries: int) -> None:
        """Store how often the tags of a clip were tried, before a try that may end the service."""
        self._write(update(clips).where(clips.c.id == clip.id).values(tag_tries=tries))

    def record(self, clip: Clip, outcome: TagOutcome) -> bool:
        """Record the outcome of a clip's tag write, and drop all but its last journal entry.

        Returns:
            False if the sound's values changed during the write: the tags are due again then.
        """
        values: dict[str, Any] = {"tag_state": outcome.state, "tag_reason": outcome.reason}
        if not outcome.is_try:
            values["tag_tries"] = 0
        if outcome.state in {TagState.WRITTEN, TagState.OFF}:
            tagged = outcome.tagged
            values |= {f"tagged_{name}": tagged and getattr(tagged, name) for name in TAGGED}
        if outcome.stamp is not None:
            values |= vars(outcome.stamp) | look_values(outcome.look)
        last = select(func.max(tag_journal.c.id)).where(_entries_of(clip)).scalar_subquery()
        with self.engine.begin() as connection:
            is_current = not _values_changed(connection, clip.identity, outcome.tagged)
            if not is_current:
                values |= TAGS_DUE
            connection.execute(update(clips).where(clips.c.id == clip.id).values(values))
            connection.execute(
                delete(tag_journal).where(_entries_of(clip), tag_journal.c.id < last)
            )
        return is_current

    def was_interrupted(self, clip: Clip) -> bool:
        """Return whether a tag write began after the last one whose outcome was recorded."""
        return len(self._rows(select(tag_journal.c.id).where(_entries_of(clip)).limit(2))) > 1

    def last_undo(self, clip: Clip) -> dict[str, Any] | None:
        """Return what undoes the last tag write, None if nothing does.

        A copy of a tagged file has no entry of its own and uses that of another file with the same
        sound. A file that another sound has replaced under the same name has none.
        """
        own_first = (tag_journal.c.clip_id == clip.id).desc()
        statement = (
            select(tag_journal.c.before)
            .where(tag_journal.c.identity == clip.identity)
            .order_by(own_first, tag_journal.c.id.desc())
            .limit(1)
        )
        text = self._value(statement)
        undo: dict[str, Any] | None = None if text is None else json.loads(text)
        return undo

    def clear(self, clip: Clip) -> None:
        """Delete a clip's journal once its file is as it was before the first write."""
        self._write(delete(tag_journal).where(_entries_of(clip)))

    def retry(self, wanted: Callable[[Path], bool], *, but: str, under: Path | None = None) -> int:
        """Mark tags that could not be written as pending again.

        Args:
            wanted: returns whether a path is to have tags.
            but: the reason of those that no retry helps.
            under: a file or folder; everything if None.

        Returns:
            The number of files.
        """
        failed = clips.c.tag_state.in_(["pending", "not written"]) & (clips.c.tag_reason != but)
        failed &= clips.c.missing_since.is_(None)
        if under is not None:
            failed &= at_or_below(clips.c.path, under)
        with self.engine.begin() as connection:
            rows = connection.execute(select(clips.c.id, clips.c.path).where(failed))
            ids = [row.id for row in rows if wanted(row.path)]
            for batch in batches(ids):
                connection.execute(update(clips).where(clips.c.id.in_(batch)).values(TAGS_DUE))
        return len(ids)


def _entries_of(clip: Clip) -> ColumnElement[bool]:
    return tag_journal.c.clip_id == clip.id


def _values_changed(connection: Connection, identity: str, tagged: Tagged | None) -> bool:
    """Return whether the catalogue's values of a sound differ from those just written."""
    statement = select(felt.c.arousal, felt.c.valence).where(felt.c.identity == identity)
    row = connection.execute(statement).one_or_none()
    if tagged is None or row is None:
        return False
    return (round(row.arousal * 100), round(row.valence * 100)) != (tagged.arousal, tagged.valence)
