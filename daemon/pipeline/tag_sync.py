"""Keeps the tags of files in line with the catalogue: writes, removes and restores them."""

from __future__ import annotations

import logging
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from daemon.pipeline.contests import CONTESTED, LONG_AGO, is_contested, is_given_up
from daemon.pipeline.recognition import look_at
from daemon.pipeline.renamed_files import stranger_at
from daemon.service_errors import TagWriteError
from daemon.tagging import api
from daemon.tagging.basics.keys import Preset, affect_items, mood_item, provenance_item
from daemon.tagging.basics.tag_errors import TagsRefused
from daemon.tagging.disk.syscalls import DISK
from daemon.tagging.file_history import FileHistory
from daemon.tagging.sidecar import discard_stale
from daemon.watch.file_state import stamp_at
from storage.schema.file_stamps import FileStamp
from storage.schema.records import Mood, Tagged, TagOutcome, TagState

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from config.settings import MoodSettings, TagSettings
    from daemon.tagging.basics.keys import Items
    from daemon.tagging.tag_parser import TagParser
    from storage.catalogue import Catalogue
    from storage.schema.records import Clip, Prediction

    _Begin = Callable[[Mapping[str, Any]], None]

log = logging.getLogger(__name__)

STRIPPED = "taken out on request"
"""The reason of a clip without tags that gets none until the user asks for them again."""

MOVED_HERE: Final = "{} was moved here since the last look; run valenced scan first"

_AS_WANTED = {api.WriteOutcome.WRITTEN, api.WriteOutcome.UNCHANGED}


class TagSync:
    """Writes tags as the settings say, after recording in the catalogue how to undo it.

    Args:
        tags: mode, preset and so on.
        mood: the thresholds of the quadrants, for the mood word.
        catalogue: holds the tag journal.
        clock: the time, aware of its zone.
        dry_run: only report what would be done.
    """

    def __init__(
        self,
        tags: TagSettings,
        mood: MoodSettings,
        catalogue: Catalogue,
        clock: Callable[[], datetime],
        *,
        dry_run: bool = False,
    ) -> None:
        self._tags = tags
        self._thresholds = (mood.arousal_threshold, mood.valence_threshold)
        self._catalogue = catalogue
        self._clock = clock
        self._dry_run = dry_run
        # Once, since each look-up parses the metadata of the package.
        self._version = version("valenced")

    @property
    def in_sidecars(self) -> bool:
        """Whether tags are written into a file beside the sound, which bears its name."""
        return self._tags.mode == "sidecar"

    def write(
        self, clip: Clip, prediction: Prediction, parser: TagParser, *, is_asked: bool = False
    ) -> TagOutcome | None:
        """Write the values of a sound into its file.

        Args:
            clip: the file.
            prediction: the values, given by people or else predicted.
            parser: parses the tags, in a worker.
            is_asked: write also where others keep changing our tags.

        Returns:
            What to record; None if the file has changed and must be processed again.
        """
        try:
            history = self._history(clip)
            if not is_asked and is_given_up(clip, history, parser):
                return TagOutcome(TagState.NOT_WRITTEN, CONTESTED)
            items = self._items(prediction)
            done = self._noted(clip, lambda begin: self._write(clip, items, history, parser, begin))
        except TagWriteError as error:
            # A problem that may pass, such as a full disk, is retried at every reconcile.
            state = TagState.PENDING if error.retry else TagState.NOT_WRITTEN
            return TagOutcome(state, error.reason, is_try=error.is_try)
        except ValueError as error:
            return TagOutcome(TagState.NOT_WRITTEN, f"its tag journal cannot be read: {error}")
        _log_warning(clip, done)
        if done.outcome is api.WriteOutcome.CHANGED:
            return None
        if done.outcome is api.WriteOutcome.SKIPPED:
            return TagOutcome(TagState.OFF)
        was_there = done.outcome is api.WriteOutcome.UNCHANGED
        if was_there and done.undo and not self._dry_run:
            self._catalogue.tag_journal.begin(clip, done.undo, self._clock())
        contests = 0 if is_asked else self._contests(clip, history, done)
        stamp = _stamp(done)
        return TagOutcome(
            TagState.WRITTEN,
            stamp=stamp,
            tagged=Tagged.of(prediction),
            look=look_at(clip.path, stamp),
            contests=contests,
            was_there=was_there,
        )

    def strip(self, clip: Clip, parser: TagParser) -> api.TagWrite:
        """Remove our items from a file, and nothing else.

        Raises:
            TagWriteError: the file is as it was.
        """
        return self._remove(clip, parser, api.strip)

    def restore(self, clip: Clip, parser: TagParser) -> api.TagWrite:
        """Restore a file as it was before us.

        Raises:
            TagWriteError: the file is as it was.
        """
        done = self._remove(clip, parser, api.restore)
        if done.outcome in _AS_WANTED and not self._dry_run:
            self._catalogue.tag_journal.note_restored(clip)
        return done

    def discard_old_sidecar(self, path: Path) -> None:
        """Delete the sidecar of a file that was renamed, if the sidecar is certainly ours."""
        if self._dry_run or not self.in_sidecars:
            return
        try:
            discard_stale(path, DISK)
        except (FileNotFoundError, NotADirectoryError):
            return
        except (TagsRefused, OSError) as error:
            text = "%s: the sidecar of the old name stays: %s"
            log.info(text, path, error, extra={"clip": path})

    def _remove(
        self,
        clip: Clip,
        parser: TagParser,
        remove: Callable[[Path, api.WriteOptions, FileHistory], api.TagWrite],
    ) -> api.TagWrite:
        present = stamp_at(clip.path)
        was_known = present is not None and clip.stamp.holds_for(present)
        if present is not None and not was_known:
            self._refuse_stranger(clip, present)
        try:
            history = self._history(clip)
            done = self._noted(
                clip, lambda begin: remove(clip.path, self._options(clip, parser, begin), history)
            )
        except ValueError as error:
            raise TagWriteError(clip.path, f"its tag journal cannot be read: {error}") from error
        _log_warning(clip, done)
        if not self._dry_run and done.outcome in _AS_WANTED:
            # A file that has changed since its analysis keeps its old stamp in the catalogue, so
            # that it is processed again.
            stamp = _stamp(done) if was_known else None
            look = look_at(clip.path, stamp)
            outcome = TagOutcome(TagState.OFF, STRIPPED, stamp, look=look)
            self._catalogue.tag_journal.record(clip, outcome)
        return done

    def _refuse_stranger(self, clip: Clip, present: FileStamp) -> None:
        """Leave a file alone that has another history than the file which was there before."""
        other = stranger_at(self._catalogue, clip, present)
        if other is not None:
            raise TagWriteError(clip.path, MOVED_HERE.format(other.path))

    def _contests(self, clip: Clip, history: FileHistory, done: api.TagWrite) -> int | None:
        """Return the new count of contests, None if the write was none."""
        if done.outcome is not api.WriteOutcome.WRITTEN or not is_contested(history, done.was):
            return None
        last = self._catalogue.tag_journal.written_at(clip)
        is_old = last is None or abs(self._clock() - last) > LONG_AGO
        return 1 if is_old else clip.tag_contests + 1

    def _history(self, clip: Clip) -> FileHistory:
        """Return the undo records of a file; raises ValueError if one is damaged."""
        journal = self._catalogue.tag_journal
        return FileHistory.of(journal.undos(clip), partial(journal.undos_of_copies, clip))

    def _noted(self, clip: Clip, edit: Callable[[_Begin], api.TagWrite]) -> api.TagWrite:
        """Edit a file, after its undo record is stored; drop that again if nothing was written.

        If it is not certain whether the file is as it was, both records stay.
        """
        journal = self._catalogue.tag_journal
        before: list[FileStamp | None] = []

        def begin(undo: Mapping[str, Any]) -> None:
            before.append(stamp_at(clip.path))
            journal.begin(clip, undo, self._clock())

        try:
            done = edit(begin)
        except TagWriteError:
            if before and before[-1] == stamp_at(clip.path):
                journal.abandon(clip)
            raise
        if before and done.outcome is api.WriteOutcome.CHANGED:
            journal.abandon(clip)
        return done

    def _write(
        self, clip: Clip, items: Items, history: FileHistory, parser: TagParser, begin: _Begin
    ) -> api.TagWrite:
        # Another file under the same name has other values.
        options = self._options(
            clip, parser, begin, expects=lambda status: clip.stamp.holds_for(FileStamp.of(status))
        )
        return api.write(clip.path, items, options, history)

    def _items(self, prediction: Prediction) -> Items:
        arousal, valence = prediction.arousal, prediction.valence
        items = affect_items(arousal, valence, Preset(self._tags.preset))
        items |= provenance_item(prediction.bundle, self._version, self._clock())
        if self._tags.mood:
            items |= mood_item(Mood.of(arousal, valence, self._thresholds))
        return items

    def _options(
        self,
        clip: Clip,
        parser: TagParser,
        begin: _Begin,
        *,
        expects: Callable[[os.stat_result], bool] | None = None,
    ) -> api.WriteOptions:
        return api.WriteOptions(
            parser,
            # The hash is known of the identified file only.
            audio_hash=clip.identity if expects else None,
            mode=api.WriteMode(self._tags.mode),
            expects=expects or (lambda _: True),
            keep_mtime=self._tags.keep_mtime,
            dry_run=self._dry_run,
            record=begin,
            begun=self._catalogue.begun_writes,
        )


def _log_warning(clip: Clip, done: api.TagWrite) -> None:
    if done.warning is not None:
        log.warning("%s: %s", clip.path, done.warning, extra={"clip": clip.path})


def _stamp(done: api.TagWrite) -> FileStamp | None:
    return None if done.status is None else FileStamp.of(done.status)
