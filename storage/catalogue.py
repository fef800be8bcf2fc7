"""The `Catalogue`: records and looks up clips and analyses; queue and so on are its attributes."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String, bindparam, select, update

from storage.annotations import AnnotationStore
from storage.begun_writes import BegunWrites
from storage.database.engine import open_engine
from storage.database.published_bundles import PublishedBundles
from storage.database.sessions import CataloguePart, batches, plain_connection, reading
from storage.jobs import JobStore
from storage.known_files import KnownFiles
from storage.queries import Queries
from storage.queue import Queue, finish
from storage.rescoring import Rescoring
from storage.schema.catalogue_errors import CatalogueError
from storage.schema.clip_rows import (
    CLIP_THERE,
    CLIPS,
    LIKELY_ORIGINS,
    WITH_INODE,
    is_below,
    is_within,
    parts_of,
    place_of,
    sound_with,
)
from storage.schema.folder_states import replace_states
from storage.schema.numbers import numbers_of
from storage.schema.records import Clip, Prediction, TagState
from storage.schema.row_mapping import (
    MISSING_CLIP,
    RESTAMP_CLIP,
    RESTAMP_ENTRY,
    analysis_texts,
    clip_of,
    look_texts,
    place_and_look,
    placed,
    put_clip,
    record_analysis,
    stamp_of,
)
from storage.schema.tables import clips, hearings, labels, mood_thresholds, predictions
from storage.schema.tables import queue as queue_table
from storage.schema.views import felt
from storage.service_notes import ServiceNotes
from storage.sketches import SketchStore
from storage.stale_tags import mark_stale
from storage.statistics import CatalogueStatistics
from storage.tag_journal import TagJournal
from storage.training_examples import TrainingExamples

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Column, Select

    from storage.schema.file_stamps import FileLook, FileStamp
    from storage.schema.records import Analysis, FolderState, QueueEntry

MANY = 1000


class Catalogue(CataloguePart):
    """One open catalogue.

    Args:
        url: names a file of SQLite, or a database on a PostgreSQL server.
        reads_only: whether every attempt to write fails.
        service: name of the service that claims files, if several may.

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
        tag_journal: outcomes and undo of tag writes.
        begun_writes: writes into files themselves that have begun.
        sketches: by which alike sounds are found.
        bundles: which one is published.
    """

    def __init__(self, url: str, *, reads_only: bool = False, service: str | None = None) -> None:
        super().__init__(open_engine(url, reads_only=reads_only, service=service))
        self.url = url
        self.queue = Queue(self.engine)
        self.queries = Queries(self.engine)
        self.annotations = AnnotationStore(self.engine)
        self.jobs = JobStore(self.engine)
        self.notes = ServiceNotes(self.engine)
        self.rescoring = Rescoring(self.engine)
        self.training_examples = TrainingExamples(self.engine)
        self.statistics = CatalogueStatistics(self.engine)
        self.tag_journal = TagJournal(self.engine)
        self.begun_writes = BegunWrites(self.engine)
        self.sketches = SketchStore(self.engine)
        self.bundles = PublishedBundles(self.engine)

    def close(self) -> None:
        """Close every connection; SQLite merges its write-ahead log into the file."""
        self.engine.dispose()

    def clip_at(self, path: Path) -> Clip | None:
        """Return the clip of the file at `path`."""
        row = self._row(CLIP_THERE, place_of(path))
        return None if row is None else clip_of(row)

    def likely_origins(self, identity: str, stamp: FileStamp) -> list[Clip]:
        """Return a few clips that a file of this sound may have been before it was renamed.

        Those with its size and time come first, then those with its inode, then those known to be
        missing.
        """
        values = {"identity": identity, **_renamed(vars(stamp))}
        return [clip_of(row) for row in self._rows(LIKELY_ORIGINS, values)]

    @contextmanager
    def known_files(self, hearing: str | None = None) -> Iterator[KnownFiles]:
        """Read what is known of files, for the duration of a block.

        A clip whose features do not fit the published bundle, or have other settings than
        `hearing`, counts as changed, so that its file is analysed again.
        """
        outdated = self.rescoring.with_other_features(hearing)
        with self.engine.connect() as connection:
            try:
                yield KnownFiles(plain_connection(connection), outdated)
            except sqlite3.Error as error:
                raise CatalogueError(f"{self.engine.url.database}: {error}") from error

    def queued_stamps(self) -> dict[Path, FileStamp]:
        """Return the stamp of every file in the queue, including those given up."""
        return {row.path: stamp_of(row) for row in self._rows(select(queue_table))}

    def affect_of(self, identity: str) -> Prediction | None:
        """Return the values that hold for a sound: people's annotations, else the prediction."""
        row = self._row(_AFFECT, {"identity": identity})
        return None if row is None else Prediction(*row)

    def vector_of(self, identity: str, feature_settings: str) -> bytes | None:
        """Return the packed feature vector of a sound, None if it has none of these settings."""
        row = self._row(_VECTOR, {"identity": identity, "settings": feature_settings})
        return None if row is None else row.vector

    def is_analysed(
        self, identity: str, feature_settings: str, since: datetime | None = None
    ) -> bool:
        """Return whether a sound has features of these settings, and a prediction.

        With `since`, features that were extracted before that moment do not count.
        """
        row = self._row(_HEARD_AT, {"identity": identity, "settings": feature_settings})
        return row is not None and (since is None or row.heard_at >= since)

    def record(
        self,
        entry: QueueEntry,
        identity: str,
        tag_state: TagState,
        now: datetime,
        analysis: Analysis | None,
        look: FileLook | None = None,
    ) -> Clip:
        """Record a clip and take it off the queue, in one transaction.

        Args:
            entry: the claimed file.
            identity: hash of its audio packets.
            tag_state: `PENDING` if tags must be written, `OFF` if not.
            now: when.
            analysis: None if this sound was analysed before.
            look: of the file, None if it is not known.
        """
        texts = {"sound": identity, "folder": parts_of(entry.path)[0]}
        texts |= look_texts(look) | analysis_texts(analysis)
        clip = Clip(0, entry.path, identity, entry.stamp, tag_state, None, False, look=look)
        with self.engine.begin() as connection:
            numbers = numbers_of(connection, **texts)
            if analysis is not None and record_analysis(connection, analysis, numbers, now):
                # Other files with this sound have the values of before.
                mark_stale(connection, [numbers.of["sound"]], step=1)
            clip = put_clip(connection, clip, numbers, now)
            finish(connection, entry)
        return clip

    def restamp(self, stamps: Mapping[Path, FileStamp]) -> None:
        """Give files that are certainly the same the stamps that they have now."""
        new = {path: _renamed(vars(stamp)) for path, stamp in stamps.items()}
        rows = [{"of": path, **place_of(path), **values} for path, values in new.items()]
        if rows:
            with self.engine.begin() as connection:
                connection.execute(RESTAMP_CLIP, rows)
                connection.execute(RESTAMP_ENTRY, rows)

    def record_same(self, entry: QueueEntry, clip: Clip, look: FileLook) -> None:
        """Record that a claimed file has the content of a clip, perhaps under another path."""
        with self.engine.begin() as connection:
            values = place_and_look(connection, entry.path, look) | vars(entry.stamp)
            values["missing_since"] = None
            connection.execute(update(clips).where(clips.c.id == clip.id).values(values))
            finish(connection, entry)

    def clips_with_inode(self, inode: int) -> list[Clip]:
        """Return a few clips whose files have, or had, an inode number, on whatever disk."""
        return [clip_of(row) for row in self._rows(WITH_INODE, {"inode": inode})]

    def rename_clip(self, clip: Clip, path: Path) -> None:
        """Give a clip another path, which no other clip has."""
        with self.engine.begin() as connection:
            own = update(clips).where(clips.c.id == clip.id)
            connection.execute(own.values(placed(connection, path)))

    def set_aside(self, clip: Clip, now: datetime) -> None:
        """Free the path of a clip for another file; the clip is missing from now on.

        Its file may be found under another name. Until then it has a path that no file can have
        while there is one at its own.
        """
        aside = update(clips).where(clips.c.id == clip.id)
        if not clip.is_missing:
            aside = aside.values(missing_since=now)
        with self.engine.begin() as connection:
            hidden = placed(connection, clip.path / f"earlier-{clip.id}")
            connection.execute(aside.values(hidden))

    def mark_missing(self, paths: Iterable[Path], now: datetime) -> None:
        """Record that files are missing from now on; their clips stay."""
        for some in batches(paths):
            rows = [{"now": now, **place_of(path)} for path in some]
            with self.engine.begin() as connection:
                connection.execute(MISSING_CLIP, rows)

    def clips_below(self, folder: Path) -> list[Clip]:
        """Return the clips anywhere below a folder that are not missing."""
        below = is_below(folder) & clips.c.missing_since.is_(None)
        return [clip_of(row) for row in self._rows(CLIPS.where(below))]

    def clips_in(self, state: TagState, folders: Iterable[Path] | None = None) -> Iterator[Clip]:
        """Yield the clips in a tag state that are not missing, at or below `folders` if given."""
        own = (clips.c.tag_state == state) & clips.c.missing_since.is_(None)
        if folders is not None:
            own &= is_within(folders)
        with reading(self.engine) as connection:
            # There may be more than fit into memory.
            rows = connection.execute(CLIPS.where(own), execution_options={"yield_per": MANY})
            yield from map(clip_of, rows)

    def record_folders(self, states: Iterable[FolderState]) -> None:
        """Replace the states of the folders that this service watches."""
        with self.engine.begin() as connection:
            replace_states(connection, list(states))

    def set_mood_thresholds(self, arousal: float, valence: float) -> None:
        """Set the mood thresholds that the views use."""
        self._write(update(mood_thresholds).values(arousal=arousal, valence=valence))


def _renamed(stamp: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a stamp as parameters, whose names must not be those of columns."""
    return {f"new_{name}": value for name, value in stamp.items()}


def _of_features(column: Column[Any]) -> Select[Any]:
    """Return the statement that selects a column of the features of a sound."""
    label = labels.c.label == bindparam("settings", type_=String)
    return select(column).where(
        hearings.c.sound_id == sound_with(_IDENTITY),
        hearings.c.settings == select(labels.c.id).where(label).scalar_subquery(),
    )


_IDENTITY: Final = bindparam("identity", type_=String)
_AFFECT: Final = select(*(felt.c[column.name] for column in fields(Prediction))).where(
    felt.c.identity == _IDENTITY
)
_VECTOR: Final = _of_features(hearings.c.vector)
_HEARD_AT: Final = _of_features(hearings.c.heard_at).join(
    predictions, predictions.c.sound_id == hearings.c.sound_id
)
