"""The way of one sound, from a claimed place in the queue to its tags."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING

from config.errors import ValencedError
from daemon.pipeline.tag_failure_log import TagFailureLog
from daemon.watch.file_state import is_gone, stamp_at
from daemon.watch.open_writers import is_being_written
from storage.schema.records import Analysis, CurvePoint, TagOutcome, TagState
from trainer.trainer_errors import ClipError, UnreadableClip, UnusableClip

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from daemon.pipeline.active_bundle import ActiveBundle
    from daemon.pipeline.tag_edits import TagEdits
    from daemon.pipeline.tag_sync import TagSync
    from daemon.pipeline.worker_client import ExtractedClip, WorkerClient
    from storage.catalogue import Catalogue
    from storage.schema.records import Clip, Prediction, QueueEntry

log = logging.getLogger(__name__)

RETRY_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 10, 60, 360, 1440))


@dataclass
class CurrentFile:
    """One sound on its way; each stage fills in what the next ones need."""

    entry: QueueEntry
    worker: WorkerClient
    bundle: ActiveBundle
    identity: str = ""
    heard: ExtractedClip | None = None
    analysis: Analysis | None = None
    clip: Clip | None = None


class FileResult(Enum):
    """What became of a claimed file."""

    PROCESSED = auto()
    UNREADABLE = auto()
    UNUSABLE = auto()
    POSTPONED = auto()


class FileChanged(Exception):
    """The file in hand is not there any more, or no longer the one that was queued."""


class Pipeline:
    """Takes claimed files through the stages.

    Args:
        catalogue: where results are recorded.
        bundle: what predicts.
        tag_sync: writes tags from the catalogue.
        wants_tags: tells whether tags shall be written at a path.
        settle_s: returns for how many seconds a file that changed while processed is left alone.
        clock: the time, aware of its zone.
        tag_edits: takes in what people wrote over our values; None if nobody asks for it.

    Attributes:
        bundle: what predicts from the next file on; another may be put here at any time, as well as
            another of each of the following.
        tag_sync: writes tags.
        tag_edits: takes in what people wrote over our values.
        stages: the way of one sound, in order.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        bundle: ActiveBundle,
        tag_sync: TagSync,
        wants_tags: Callable[[Path], bool],
        settle_s: Callable[[], float],
        clock: Callable[[], datetime],
        tag_edits: TagEdits | None = None,
    ) -> None:
        self._catalogue = catalogue
        self.bundle = bundle
        self.tag_sync = tag_sync
        self._wants_tags = wants_tags
        self._settle_s = settle_s
        self._clock = clock
        self.tag_edits = tag_edits
        self._complaints = TagFailureLog(clock)
        self.stages = (
            self.identified,
            self.heard,
            self.predicted,
            self.recorded,
            self.tagged,
        )

    def process(self, entry: QueueEntry, worker: WorkerClient) -> FileResult:
        """Take one claimed file all the way, or as far as it gets."""
        try:
            _demand_still(entry)
            hand = CurrentFile(entry, worker, self.bundle)
            for stage in self.stages:
                log.debug("%s: to be %s", entry.path, stage.__name__)
                stage(hand)
        except FileChanged:
            return self._set_aside(entry)
        except ClipError as error:
            return self._put_off(entry, error)
        except ValencedError:
            raise
        except Exception as error:  # noqa: BLE001 - one file must not stop the others
            return self._put_off(entry, _unexpected(entry.path, error))
        return FileResult.PROCESSED

    def identified(self, hand: CurrentFile) -> None:
        """Tell by the audio packets alone which sound this is."""
        hand.identity = hand.worker.identify(hand.entry.path)

    def heard(self, hand: CurrentFile) -> None:
        """Describe the sound, unless it was described before under another name."""
        if not self._catalogue.is_analysed(hand.identity, hand.bundle.hearing):
            hand.heard = hand.worker.hear(hand.entry.path, hand.identity)

    def predicted(self, hand: CurrentFile) -> None:
        """Predict the affect of the whole and of each window."""
        if hand.heard is None:
            return
        hearing = hand.heard.hearing
        whole, *windows = hand.worker.predict(
            hand.entry.path, hand.bundle.directory, [hearing.vector, *hand.heard.windows]
        )
        curve = [
            CurvePoint(start_s, window.arousal, window.valence)
            for start_s, window in zip(hand.heard.starts_s, windows, strict=True)
        ]
        hand.analysis = Analysis(hearing, whole, curve)

    def recorded(self, hand: CurrentFile) -> None:
        """Record everything in one transaction, which also takes the file off the queue."""
        entry = hand.entry
        _demand_still(entry)
        self._follow_rename(entry, hand.identity)
        known = self._catalogue.clip_at(entry.path)
        if known is not None and known.identity != hand.identity:
            known = None
        self._take_in_edits(known)
        tag_state = self._tag_state(entry.path, known)
        hand.clip = self._catalogue.record(
            entry, hand.identity, tag_state, self._clock(), hand.analysis
        )
        _say(entry.path, hand.analysis.prediction if hand.analysis else None)

    def tagged(self, hand: CurrentFile) -> None:
        """Write the tags, if they are wanted here."""
        assert hand.clip is not None
        if hand.clip.tag_state is TagState.PENDING:
            self.write_tags(hand.clip, hand.worker)

    def write_tags(self, clip: Clip, worker: WorkerClient) -> None:
        """Bring one clip's tags in line with the catalogue, which may move meanwhile."""
        due: Clip | None = clip
        while due is not None and not self._is_in_line(due, worker):
            due = self._catalogue.clip_at(due.path)

    def _is_in_line(self, clip: Clip, worker: WorkerClient) -> bool:
        """Write one clip's tags; tell whether that is all that can be done about them now."""
        if not self._wants_tags(clip.path):
            # The settings have changed since it was listed.
            self._catalogue.tag_journal.record(clip, TagOutcome(TagState.OFF))
            return True
        prediction = self._catalogue.affect_of(clip.identity)
        if prediction is None:
            return True
        try:
            outcome = self.tag_sync.write(clip, prediction, worker.read_back)
        except ValencedError:
            raise
        except Exception as error:  # noqa: BLE001 - one file must not stop the others
            reason = _unexpected(clip.path, error).reason
            outcome = TagOutcome(TagState.NOT_WRITTEN, reason)
        if outcome is None:
            self._queue_again(clip.path)
            return True
        is_in_line = self._catalogue.tag_journal.record(clip, outcome)
        self._complaints.tell(clip, outcome)
        return is_in_line

    def _tag_state(self, path: Path, known: Clip | None) -> TagState:
        stripped = (
            known is not None and known.tag_state is TagState.OFF and known.tag_reason is not None
        )
        return TagState.PENDING if self._wants_tags(path) and not stripped else TagState.OFF

    def _follow_rename(self, entry: QueueEntry, identity: str) -> None:
        """Let the record follow a file that was renamed or moved, with its journal."""
        if self._catalogue.clip_at(entry.path) is not None:
            return
        for clip in self._catalogue.likely_origins(identity, entry.stamp):
            if clip.path != entry.path and is_gone(clip.path):
                self._catalogue.rename_clip(clip, entry.path)
                if self._wants_tags(clip.path):
                    self.tag_sync.discard_old_sidecar(clip.path)
                log.info("%s: was %s", entry.path, clip.path, extra={"clip": entry.path})
                return

    def _take_in_edits(self, known: Clip | None) -> None:
        if self.tag_edits is None or known is None:
            return
        # What a write left that broke off before it was recorded looks as if set by hand.
        if not self._catalogue.tag_journal.was_interrupted(known):
            self.tag_edits.take_in(known)

    def _set_aside(self, entry: QueueEntry) -> FileResult:
        """Let a file that changed in our hands settle again; forget one that is gone."""
        stamp = stamp_at(entry.path)
        if stamp is None:
            self._catalogue.queue.remove(entry)
            self._catalogue.mark_missing([entry.path], self._clock())
        else:
            self._catalogue.queue.postpone(entry, stamp, self._clock() + self._settle())
        return FileResult.POSTPONED

    def _settle(self) -> timedelta:
        return timedelta(seconds=self._settle_s())

    def _queue_again(self, path: Path) -> None:
        stamp = stamp_at(path)
        if stamp is not None:
            now = self._clock()
            self._catalogue.queue.put([(path, stamp)], now, due_at=now + self._settle())

    def _put_off(self, entry: QueueEntry, error: ClipError) -> FileResult:
        if stamp_at(entry.path) is None:
            return self._set_aside(entry)
        tries = entry.attempts
        delay = RETRY_DELAYS[tries - 1] if tries <= len(RETRY_DELAYS) else None
        retry_at = None if delay is None else self._clock() + delay
        self._catalogue.queue.fail(entry, error.reason, retry_at)
        told = {"clip": entry.path, "reason": error.reason, "bundle": self.bundle.name}
        log.warning("%s: %s", entry.path, error.reason, extra=told)
        return FileResult.UNUSABLE if isinstance(error, UnusableClip) else FileResult.UNREADABLE


def _demand_still(entry: QueueEntry) -> None:
    """Go on only with the very file that was queued, and only while nobody writes to it."""
    if stamp_at(entry.path) != entry.stamp or is_being_written(entry.path):
        raise FileChanged(entry.path)
    if entry.attempts > len(RETRY_DELAYS) + 1:
        raise UnreadableClip(entry.path, "the service ended each time it was tried")


def _unexpected(path: Path, error: Exception) -> UnreadableClip:
    """Make a failure of one file of a defect of ours, so that it does not stop the others."""
    log.debug("while working on %s", path, exc_info=error, extra={"clip": path})
    return UnreadableClip(path, f"unexpected {type(error).__name__}: {error}")


def _say(path: Path, prediction: Prediction | None) -> None:
    if prediction is None:
        log.info("%s: a sound that is known already", path, extra={"clip": path})
    else:
        values = (prediction.arousal, prediction.valence)
        told = {"clip": path, "bundle": prediction.bundle}
        log.info("%s: arousal %+.2f, valence %+.2f", path, *values, extra=told)
