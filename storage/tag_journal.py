"""Stores for each clip the undo record, outcome and retry state of its tag writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, String, bindparam, delete, func, insert, select, update

from storage.database.sessions import CataloguePart, batches
from storage.schema.clip_rows import FILES, PATH, is_within, sound_with
from storage.schema.numbers import numbers_of
from storage.schema.records import TagState
from storage.schema.row_mapping import TAGGED, look_texts, look_values
from storage.schema.tables import clips, tag_journal
from storage.schema.views import felt
from storage.stale_tags import TAGS_DUE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import BindParameter, ColumnElement, Select
    from sqlalchemy.engine import Connection

    from storage.schema.records import Clip, Tagged, TagOutcome


MOST_RECORDS: Final = 16
"""How many undo records are compared with a file; more are only of as many equal copies."""


class TagJournal(CataloguePart):
    """The tag writes of one catalogue."""

    def begin(self, clip: Clip, undo: Mapping[str, Any], now: datetime) -> None:
        """Store what undoes a tag write, before it changes the file."""
        values = {"clip_id": clip.id, "identity": clip.identity, "before": json.dumps(undo)}
        values |= {"written_at": now, "size": undo.get("size")}
        self._execute(_BEGIN, values)

    def count_tries(self, clip: Clip, tries: int) -> None:
        """Store how often the tags of a clip were tried, before a try that may end the service."""
        self._execute(_UPDATE_CLIP, {"own": clip.id, "tag_tries": tries})

    def record(self, clip: Clip, outcome: TagOutcome) -> bool:
        """Record the outcome of a clip's tag write.

        If the file was written or is as wanted, all but its last undo record are dropped. After a
        failure they stay: which of them describes the file, its bytes tell.

        Returns:
            False if the sound's values changed during the write: the tags are due again then.
        """
        values: dict[str, Any] = {"tag_state": outcome.state, "tag_reason": outcome.reason}
        if not outcome.is_try:
            values["tag_tries"] = 0
        if outcome.contests is not None:
            values["tag_contests"] = outcome.contests
        if outcome.state in {TagState.WRITTEN, TagState.OFF}:
            tagged = outcome.tagged
            values |= {f"tagged_{name}": tagged and getattr(tagged, name) for name in TAGGED}
        is_stripped = outcome.state is TagState.OFF and outcome.reason is not None
        is_made = outcome.state is TagState.WRITTEN or is_stripped
        bundle = values.get("tagged_bundle")
        texts = look_texts(outcome.look) | ({} if bundle is None else {"bundle": bundle})
        with self.engine.begin() as connection:
            numbers = numbers_of(connection, **texts)
            if "bundle" in texts:
                values["tagged_bundle"] = numbers.of["bundle"]
            if outcome.stamp is not None:
                values |= vars(outcome.stamp) | look_values(outcome.look, numbers)
            is_current = not _values_changed(connection, clip.identity, outcome.tagged)
            if not is_current:
                values |= TAGS_DUE
            connection.execute(_UPDATE_CLIP, {"own": clip.id, **values})
            if is_made:
                connection.execute(_DROP_EARLIER, {"own": clip.id})
        return is_current

    def was_interrupted(self, clip: Clip) -> bool:
        """Return whether a tag write began after the last one whose outcome was recorded."""
        return len(self._rows(select(tag_journal.c.id).where(_entries_of(clip.id)).limit(2))) > 1

    def undos(self, clip: Clip) -> list[dict[str, Any]]:
        """Return what undoes the tag writes of a file, the newest first.

        It is one, or two if a write was interrupted. A file that another sound has replaced under
        the same name has none.
        """
        return self._before(_UNDOS, clip)

    def undos_of_copies(self, clip: Clip, size: int) -> list[dict[str, Any]]:
        """Return what undoes the tag writes of other files with the same sound, as `undos`.

        Args:
            clip: the file.
            size: of the other files as we left them, in bytes.
        """
        return self._before(_UNDOS_OF_COPIES, clip, size=size)

    def written_at(self, clip: Clip) -> datetime | None:
        """Return when the last undo record but one was stored: at the write before the last."""
        own = select(tag_journal.c.written_at).where(_entries_of(clip.id))
        return self._value(own.order_by(tag_journal.c.id.desc()).offset(1).limit(1))

    def abandon(self, clip: Clip) -> None:
        """Delete the undo record of a write that certainly was not made."""
        self._write(delete(tag_journal).where(tag_journal.c.id == _last_of(clip.id)))

    def note_restored(self, clip: Clip) -> None:
        """Note in the undo record of a file that our keys are left as they were before us."""
        last = tag_journal.c.id == _last_of(clip.id)
        with self.engine.begin() as connection:
            found = select(tag_journal.c.id, tag_journal.c.before).where(last)
            if (row := connection.execute(found).one_or_none()) is not None:
                noted = json.dumps(json.loads(row.before) | {"restored": True})
                # By its number: `begin`, which takes no turn, may have added another by now.
                own = tag_journal.c.id == row.id
                connection.execute(update(tag_journal).where(own).values(before=noted))

    def _before(self, statement: Select[Any], clip: Clip, **others: int) -> list[dict[str, Any]]:
        values = {"own": clip.id, "identity": clip.identity, **others}
        return [json.loads(row.before) for row in self._rows(statement, values)]

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
            failed &= is_within([under])
        with self.engine.begin() as connection:
            rows = connection.execute(select(clips.c.id, PATH).select_from(FILES).where(failed))
            ids = [row.id for row in rows if wanted(row.path)]
            for batch in batches(ids):
                due = TAGS_DUE | {"tag_contests": 0}
                connection.execute(update(clips).where(clips.c.id.in_(batch)).values(due))
        return len(ids)


def _entries_of(clip: int | BindParameter[int]) -> ColumnElement[bool]:
    return tag_journal.c.clip_id == clip


def _last_of(clip: int | BindParameter[int]) -> Any:
    """Return the number of a clip's newest record, as part of a statement."""
    return select(func.max(tag_journal.c.id)).where(_entries_of(clip)).scalar_subquery()


def _values_changed(connection: Connection, identity: str, tagged: Tagged | None) -> bool:
    """Return whether the catalogue's values of a sound differ from those just written."""
    row = connection.execute(_VALUES, {"identity": identity}).one_or_none()
    if tagged is None or row is None:
        return False
    return (round(row.arousal * 100), round(row.valence * 100)) != (tagged.arousal, tagged.valence)


def _undos(*conditions: ColumnElement[bool]) -> Select[Any]:
    same_sound = tag_journal.c.sound_id == sound_with(_IDENTITY)
    statement = select(tag_journal.c.before).where(same_sound, *conditions)
    return statement.order_by(tag_journal.c.id.desc()).limit(MOST_RECORDS)


_IDENTITY: Final = bindparam("identity", type_=String)
_OWN: Final = bindparam("own", type_=BigInteger)
_VALUES: Final = select(felt.c.arousal, felt.c.valence).where(felt.c.identity == _IDENTITY)
_UPDATE_CLIP: Final = update(clips).where(clips.c.id == _OWN)
_UNDOS: Final = _undos(_entries_of(_OWN))
_UNDOS_OF_COPIES: Final = _undos(
    tag_journal.c.clip_id != _OWN, tag_journal.c.size == bindparam("size", type_=BigInteger)
)
_BEGIN: Final = insert(tag_journal).values(
    {
        name: bindparam(name, type_=tag_journal.c[name].type)
        for name in ("clip_id", "written_at", "before", "size")
    }
    | {"sound_id": sound_with(_IDENTITY)}
)
_DROP_EARLIER: Final = delete(tag_journal).where(
    _entries_of(_OWN), tag_journal.c.id < _last_of(_OWN)
)
