"""The catalogue: what is known of every clip. All writing of results goes through here."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from storage import queue as work
from storage.annotations import AnnotationStore
from storage.database.engine import open_engine
from storage.database.sessions import reading
from storage.jobs import JobStore
from storage.queries import Queries
from storage.rescoring import Rescoring
from storage.schema.records import NO_STAMP, Clip, FileStamp, Prediction, TagState
from storage.schema.row_mapping import TAGGED, UPSERT_CLIP, clip_of, clip_values, record_analysis
from storage.schema.tables import (
    below,
    clips,
    folders,
    hearings,
    known_bundles,
    mood_thresholds,
    predictions,
    tag_journal,
)
from storage.schema.tables import queue as queue_table
from storage.schema.views import felt
from storage.service_notes import ServiceNotes
from storage.stale_tags import retry_tags
from storage.statistics import CatalogueStatistics
from storage.training_examples import TrainingExamples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection, Engine

    from storage.schema.records import Analysis, FolderState, QueueEntry, Tagged, TagOutcome

FEW, MANY = 16, 1000


class Catalogue:
    """One open catalogue. Safe to share between threads; every method is one transaction.

    Args:
        url: an SQLite URL that names a file.

    Raises:
        CatalogueError: it cannot be opened.
        SchemaTooNew: a later release wrote it.

    Attributes:
        url: as given.
        queue: files that wait to be analysed.
        queries: finds sounds.
        annotations: people's ratings.
        jobs: scheduled and requested jobs.
        notes: the service's own state.
        rescoring: known sounds whose predictions are out of date.
        training_examples: rated sounds, to learn from.
        statistics: counts over the whole catalogue.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine: Engine = open_engine(url)
        self.queue = work.Queue(self.engine)
        self.queries = Queries(self.engine)
        self.annotations = AnnotationStore(self.engine)
        self.jobs = JobStore(self.engine)
        self.notes = ServiceNotes(self.engine)
        self.rescoring = Rescoring(self.engine)
        self.training_examples = TrainingExamples(self.engine)
        self.statistics = CatalogueStatistics(self.engine)

    def close(self) -> None:
        """Close every connection; SQLite merges its write-ahead log into the file."""
        self.engine.dispose()

    def clip_at(self, path: Path) -> Clip | None:
        """Return what is known of the file at `path`."""
        return next(iter(self._clips(clips.c.path == path)), None)

    def likely_origins(self, identity: str, stamp: FileStamp) -> list[Clip]:
        """Return a few clips that a file of this sound may have been before it was renamed.

        Those with its inode come first, then those known to be missing.
        """
        likeliest = (clips.c.inode == stamp.inode).desc(), clips.c.missing_since.is_(None)
        statement = select(clips).where(clips.c.identity == identity).order_by(*likeliest)
        with reading(self.engine) as connection:
            return [clip_of(row) for row in connection.execute(statement.limit(FEW))]

    def stamps(self) -> dict[Path, FileStamp]:
        """Return the stamp of every clip that is not missing.

        What was heard otherwise than the bundle in service wants has one that no file has: where
        it is found, it counts as changed and is heard again.
        """
        found = self._stamps(select(clips).where(clips.c.missing_since.is_(None)))
        return found | dict.fromkeys(found.keys() & self.rescoring.heard_otherwise(), NO_STAMP)

    def queued_stamps(self) -> dict[Path, FileStamp]:
        """Return the stamp of every file in the queue, given up ones included."""
        return self._stamps(select(queue_table))

    def affect_of(self, identity: str) -> Prediction | None:
        """Return what the catalogue shows of a sound: what people heard, else the prediction."""
        columns = [felt.c[column.name] for column in fields(Prediction)]
        with reading(self.engine) as connection:
            found = connection.execute(select(*columns).where(felt.c.identity == identity))
            row = found.one_or_none()
        return None if row is None else Prediction(*row)

    def vector_of(self, identity: str) -> bytes | None:
        """Return the packed feature vector of a sound."""
        statement = select(hearings.c.vector).where(hearings.c.identity == identity)
        with reading(self.engine) as connection:
            return connection.execute(statement).scalar()

    def is_heard(self, identity: str, hearing_settings: str) -> bool:
        """Tell whether this sound was described under these settings and has a prediction."""
        statement = (
            select(hearings.c.identity)
            .join(predictions, predictions.c.identity == hearings.c.identity)
            .where(hearings.c.identity == identity, hearings.c.settings == hearing_settings)
        )
        with reading(self.engine) as connection:
            return connection.execute(statement).first() is not None

    def record(
        self,
        entry: QueueEntry,
        identity: str,
        tag_state: TagState,
        now: datetime,
        analysis: Analysis | None,
    ) -> Clip:
        """Record one clip and take it off the queue, in one transaction.

        Args:
            entry: the claimed file.
            identity: hash of its audio packets.
            tag_state: `PENDING` if tags shall be written, `OFF` if not.
            now: when.
            analysis: what was found; None if this sound was analysed before.
        """
        with self.engine.begin() as connection:
            if analysis is not None:
                record_analysis(connection, analysis, now)
            connection.execute(UPSERT_CLIP, clip_values(entry, identity, tag_state, now))
            work.finish(connection, entry)
            row = connection.execute(select(clips).where(clips.c.path == entry.path)).one()
            return clip_of(row)

    def follow(self, clip: Clip, path: Path) -> None:
        """Let a clip follow its file to another path, where nothing better is known yet."""
        with self.engine.begin() as connection:
            connection.execute(delete(clips).where(clips.c.path == path))
            connection.execute(update(clips).where(clips.c.id == clip.id).values(path=path))

    def mark_missing(self, paths: Iterable[Path], now: datetime) -> None:
        """Remember since when files are gone; what is known of them is kept."""
        with self.engine.begin() as connection:
            for path in paths:
                connection.execute(
                    update(clips)
                    .where(clips.c.path == path, clips.c.missing_since.is_(None))
                    .values(missing_since=now)
                )

    def clips_below(self, folder: Path) -> list[Clip]:
        """Return the clips anywhere below a folder that are not missing."""
        return self._clips(below(clips.c.path, folder) & clips.c.missing_since.is_(None))

    def clips_in(self, state: TagState) -> Iterator[Clip]:
        """Yield the clips in one tag state that are not missing, however many there are."""
        own = (clips.c.tag_state == state) & clips.c.missing_since.is_(None)
        with reading(self.engine) as connection:
            rows = connection.execution_options(yield_per=MANY).execute(select(clips).where(own))
            yield from map(clip_of, rows)

    def record_tags(self, clip: Clip, outcome: TagOutcome) -> bool:
        """Record what became of a clip's tags; its journal then needs its last entry only.

        Returns:
            False if the values moved while they were written: the tags are due once more then.
        """
        values: dict[str, Any] = {"tag_state": outcome.state, "tag_reason": outcome.reason}
        if outcome.state in {TagState.WRITTEN, TagState.OFF}:
            tagged = outcome.tagged
            values |= {f"tagged_{name}": tagged and getattr(tagged, name) for name in TAGGED}
        if outcome.stamp is not None:
            values |= vars(outcome.stamp)
        own = tag_journal.c.clip_id == clip.id
        last = select(func.max(tag_journal.c.id)).where(own).scalar_subquery()
        with self.engine.begin() as connection:
            connection.execute(update(clips).where(clips.c.id == clip.id).values(values))
            connection.execute(delete(tag_journal).where(own, tag_journal.c.id < last))
            if not _is_outrun(connection, clip.identity, outcome.tagged):
                return True
            due = {"tag_state": TagState.PENDING, "tag_reason": None}
            connection.execute(update(clips).where(clips.c.id == clip.id).values(due))
            return False

    def retry_tags(
        self, wanted: Callable[[Path], bool], *, but: str, under: Path | None = None
    ) -> int:
        """Mark tags that could not be written as pending again; see `stale_tags.retry_tags`."""
        return retry_tags(self.engine, wanted, but=but, under=under)

    def journal_tag_write(self, clip: Clip, before: Mapping[str, Any], now: datetime) -> None:
        """Note what a tag write leads back to, before it changes the file."""
        values = {"clip_id": clip.id, "identity": clip.identity, "written_at": now}
        with self.engine.begin() as connection:
            connection.execute(insert(tag_journal).values(before=json.dumps(before), **values))

    def broke_off(self, clip: Clip) -> bool:
        """Tell whether a tag write was begun since the last whose end was recorded."""
        own = tag_journal.c.clip_id == clip.id
        with reading(self.engine) as connection:
            count = connection.execute(select(func.count()).where(own)).scalar_one()
        return count > 1

    def forget_journal(self, clip: Clip) -> None:
        """Clear a clip's journal once its file is as it was before us."""
        with self.engine.begin() as connection:
            connection.execute(delete(tag_journal).where(tag_journal.c.clip_id == clip.id))

    def journalled(self, clip: Clip) -> dict[str, Any] | None:
        """Return what the last tag write leads back to.

        A copy of a tagged file has no entry of its own; what holds for the file that it was
        copied from, which has the same sound, holds for it too. A file that was replaced by
        another sound under the same name has nothing to lead back to.
        """
        of_this_sound = tag_journal.c.identity == clip.identity
        own_first = (tag_journal.c.clip_id == clip.id).desc()
        statement = select(tag_journal.c.before).where(of_this_sound)
        with reading(self.engine) as connection:
            text = connection.execute(
                statement.order_by(own_first, tag_journal.c.id.desc()).limit(1)
            ).scalar()
        if text is None:
            return None
        before: dict[str, Any] = json.loads(text)
        return before

    def put_in_service(self, name: str, created_at: str, manifest: Mapping[str, Any]) -> None:
        """Record which bundle predicts from now on."""
        values = {"created_at": created_at, "manifest": json.dumps(manifest), "in_service": 1}
        with self.engine.begin() as connection:
            connection.execute(update(known_bundles).values(in_service=0))
            connection.execute(
                upsert(known_bundles)
                .values(name=name, **values)
                .on_conflict_do_update(index_elements=["name"], set_=values)
            )

    def record_folders(self, states: Iterable[FolderState]) -> None:
        """Replace what is known of how the watched folders stand."""
        with self.engine.begin() as connection:
            connection.execute(delete(folders))
            for state in states:
                connection.execute(insert(folders).values(**vars(state)))

    def set_mood_thresholds(self, arousal: float, valence: float) -> None:
        """Set the borders that the views use."""
        with self.engine.begin() as connection:
            connection.execute(update(mood_thresholds).values(arousal=arousal, valence=valence))

    def _clips(self, condition: ColumnElement[bool]) -> list[Clip]:
        with reading(self.engine) as connection:
            return [clip_of(row) for row in connection.execute(select(clips).where(condition))]

    def _stamps(self, statement: Any) -> dict[Path, FileStamp]:
        with reading(self.engine) as connection:
            return {
                row.path: FileStamp(row.size, row.mtime_ns, row.inode)
                for row in connection.execute(statement)
            }


def _is_outrun(connection: Connection, identity: str, tagged: Tagged | None) -> bool:
    """Tell whether a sound no longer feels as was written into its tags just now."""
    values = select(felt.c.arousal, felt.c.valence).where(felt.c.identity == identity)
    row = connection.execute(values).one_or_none()
    if tagged is None or row is None:
        return False
    shown = round(row.arousal * 100), round(row.valence * 100)
    return shown != (tagged.arousal, tagged.valence)
