"""The stages of one file, from its queue entry to its tags, and the retries of failed files.

A consumer claims a queue entry and calls `Pipeline.process`, which runs the stages in order:

    identified   the audio packets are hashed; the hash recognises a renamed, copied or tagged file
    analysed     a worker extracts features and predicts affect, unless that was done before
    recorded     one transaction stores the results and removes the queue entry
    tagged       the values are written into the file, if the settings want tags there

Each stage fills in a `CurrentFile` for those after it. A file that cannot be used is retried after
the delays in `RETRY_DELAYS`, and one that changes meanwhile waits until it is complete. Trouble
that is no file's fault, such as a full disk, is raised to the consumer.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from config.errors import ValencedError
from daemon.pipeline.claimed_file import (
    RETRY_DELAYS,
    FileChanged,
    FileResult,
    as_queued,
    require_unchanged,
)
from daemon.pipeline.file_rights import ALL_FILES
from daemon.pipeline.postponing import Postponing
from daemon.pipeline.recognition import is_same, look_of
from daemon.pipeline.renamed_files import is_renamed, known_at
from daemon.pipeline.tag_failure_log import TagFailureLog
from daemon.pipeline.tag_tries import tried
from daemon.watch.file_state import stamp_at
from daemon.worker.tag_client import TagClient
from storage.schema.records import TagOutcome, TagState
from trainer.trainer_errors import ClipError, UnreadableClip, UnusableClip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from daemon.pipeline.file_rights import FileRights
    from daemon.pipeline.tag_sync import TagSync
    from daemon.tagging.tag_parser import TagParser
    from daemon.worker.active_bundle import ActiveBundle
    from daemon.worker.sound_reader import SoundReader
    from storage.catalogue import Catalogue
    from storage.schema.file_stamps import FileLook
    from storage.schema.records import Analysis, Clip, QueueEntry

log = logging.getLogger(__name__)


@dataclass
class CurrentFile:
    """One file on its way through the stages.

    Attributes:
        entry: its claimed queue entry.
        worker: the subprocess that reads it.
        bundle: the bundle that predicts.
        identity: hash of its audio packets, once identified.
        analysis: features and prediction, once analysed; None if the sound was known.
        look: of the file that was identified.
        clip: its row in the catalogue, once recorded.
    """

    entry: QueueEntry
    worker: SoundReader
    bundle: ActiveBundle
    identity: str = ""
    analysis: Analysis | None = None
    look: FileLook | None = None
    clip: Clip | None = None


class Pipeline:
    """Runs claimed files through the stages. Used by all consumers at once.

    Args:
        catalogue: where results are recorded.
        bundle: the bundle that predicts.
        tag_sync: writes tags from the catalogue.
        wants_tags: whether the settings want tags at a path.
        settle_s: returns for how many seconds a file that changed meanwhile is left alone.
        clock: the time, aware of its zone.
        record_tag_edits: records values that people wrote over ours; None to ignore them.
        rights: of this service.

    Attributes:
        bundle: as above; this and the next two may be replaced at any time.
        tag_sync: as above.
        record_tag_edits: as above.
        has_left_tags: whether tags were left to the service that holds their folder.
        stages: in order.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        bundle: ActiveBundle,
        tag_sync: TagSync,
        wants_tags: Callable[[Path], bool],
        settle_s: Callable[[], float],
        clock: Callable[[], datetime],
        record_tag_edits: Callable[[Clip, TagParser], None] | None = None,
        rights: FileRights = ALL_FILES,
    ) -> None:
        self._catalogue = catalogue
        self.bundle = bundle
        self.tag_sync = tag_sync
        self._wants_tags = wants_tags
        self._clock = clock
        self.record_tag_edits = record_tag_edits
        self._rights = rights
        self._postponing = Postponing(catalogue, settle_s, clock, rights)
        self.has_left_tags = False
        self._failure_log = TagFailureLog(clock)
        self.stages = (self.identified, self.analysed, self.recorded, self.tagged)

    def process(self, entry: QueueEntry, worker: SoundReader) -> FileResult:
        """Run a file through every stage, or as far as it gets.

        Raises:
            ValencedError: something stands in the way that is no file's fault.
        """
        try:
            require_unchanged(entry)
            if self._is_recognised(entry):
                return FileResult.RECOGNISED
            current = CurrentFile(entry, worker, self.bundle)
            for stage in self.stages:
                log.debug("%s: to be %s", entry.path, stage.__name__)
                stage(current)
        except FileChanged:
            return self._postpone(entry)
        except ClipError as error:
            return self._fail(entry, error)
        except ValencedError:
            raise
        except Exception as error:  # noqa: BLE001 - one file must not stop the others
            return self._fail(entry, _unexpected(entry.path, error))
        return FileResult.PROCESSED

    def _is_recognised(self, entry: QueueEntry) -> bool:
        """Record a file that only has another name or other attributes; tell whether it is one."""
        known = self._catalogue.clip_at(entry.path)
        renamed = () if known or self.tag_sync.in_sidecars else self._renamed_from(entry)
        for clip in (known,) if known else renamed:
            if not self._is_finished(clip, entry):
                continue
            with as_queued(entry) as file:
                look = look_of(file.descriptor)
            if look is not None and is_same(clip, entry.path, entry.stamp, look):
                self._catalogue.record_same(entry, clip, look)
                level = logging.DEBUG if entry.path == clip.path else logging.INFO
                text = "%s: known sound, was %s"
                log.log(level, text, entry.path, clip.path, extra={"clip": entry.path})
                return True
        return False

    def _renamed_from(self, entry: QueueEntry) -> Iterator[Clip]:
        clips = self._catalogue.clips_with_inode(entry.stamp.inode)
        known = filter(self._rights.knows, clips)
        return (clip for clip in known if is_renamed(clip, entry.stamp))

    def _is_finished(self, clip: Clip, entry: QueueEntry) -> bool:
        """Tell whether the stages would change nothing at a file with the content of a clip."""
        if not self._catalogue.is_analysed(clip.identity, self.bundle.hearing, entry.fresh_since):
            return False
        is_tagged = clip.tag_state is TagState.WRITTEN
        return is_tagged or self._tag_state(entry.path, clip) is TagState.OFF

    def identified(self, current: CurrentFile) -> None:
        """Hash the audio packets."""
        current.worker.expect(current.bundle)
        with as_queued(current.entry) as file:
            current.look = look_of(file.descriptor)
            current.identity = current.worker.identify(file)

    def analysed(self, current: CurrentFile) -> None:
        """Extract features and predict affect, unless this sound was analysed before."""
        since = current.entry.fresh_since
        if self._catalogue.is_analysed(current.identity, current.bundle.hearing, since):
            return
        with as_queued(current.entry) as file:
            current.analysis = current.worker.analyse(file, current.identity, current.bundle)

    def recorded(self, current: CurrentFile) -> None:
        """Store the results and remove the queue entry, in one transaction."""
        entry = current.entry
        require_unchanged(entry)
        known = self._known(entry, current.identity)
        if known is not None:
            self._failure_log.remember(known)
        self._find_tag_edits(known, current.worker)
        tag_state = self._tag_state(entry.path, known)
        current.clip = self._catalogue.record(
            entry, current.identity, tag_state, self._clock(), current.analysis, current.look
        )
        _log_result(entry.path, current.analysis)

    def tagged(self, current: CurrentFile) -> None:
        """Write the values into the file's own tags, if tags are wanted there."""
        assert current.clip is not None
        if current.clip.tag_state is TagState.PENDING:
            self.write_tags(current.clip, current.worker)

    def write_tags(self, clip: Clip, worker: SoundReader) -> None:
        """Write a clip's tags, and again as long as its values change meanwhile.

        They stay pending if another service holds the folder: only the service that wrote into a
        file takes up what it was interrupted at.
        """
        if not self._rights.holds(clip.path):
            self.has_left_tags = True
            return
        due: Clip | None = clip
        while due is not None and not self._try_tags(due, worker):
            due = self._catalogue.clip_at(due.path)

    def _try_tags(self, clip: Clip, worker: SoundReader) -> bool:
        """Write a clip's tags; return False if its values have changed meanwhile."""
        if not self._wants_tags(clip.path):
            self._catalogue.tag_journal.record(clip, TagOutcome(TagState.OFF))
            return True
        prediction = self._catalogue.affect_of(clip.identity)
        if prediction is None:
            return True
        write = partial(self.tag_sync.write, clip, prediction, TagClient(worker))
        try:
            outcome = tried(self._catalogue.tag_journal, clip, write)
        except ValencedError:
            raise
        except Exception as error:  # noqa: BLE001 - one file must not stop the others
            outcome = TagOutcome(TagState.NOT_WRITTEN, _unexpected(clip.path, error).reason)
        if outcome is None:
            self._postponing.queue_again(clip.path)
            return True
        is_current = self._catalogue.tag_journal.record(clip, outcome)
        self._failure_log.report(clip, outcome)
        return is_current

    def _tag_state(self, path: Path, known: Clip | None) -> TagState:
        """Return PENDING if tags are wanted at a path and were not taken out on request."""
        is_stripped = known and known.tag_state is TagState.OFF and known.tag_reason is not None
        return TagState.PENDING if self._wants_tags(path) and not is_stripped else TagState.OFF

    def _known(self, entry: QueueEntry, identity: str) -> Clip | None:
        """Return the record of a file, None if it is new; one of a renamed file moves with it."""
        clip, old_path = known_at(
            self._catalogue, entry, identity, self._clock(), self._rights.knows
        )
        if old_path is not None:
            if self._wants_tags(old_path):
                self.tag_sync.discard_old_sidecar(old_path)
            log.info("%s: renamed from %s", entry.path, old_path, extra={"clip": entry.path})
        return clip

    def _find_tag_edits(self, known: Clip | None, worker: SoundReader) -> None:
        # An interrupted write of ours would look like values set by hand.
        record = self.record_tag_edits
        if record and known and not self._catalogue.tag_journal.was_interrupted(known):
            record(known, TagClient(worker))

    def _postpone(self, entry: QueueEntry) -> FileResult:
        self._postponing.postpone(entry)
        return FileResult.POSTPONED

    def _fail(self, entry: QueueEntry, error: ClipError) -> FileResult:
        """Record why a file failed, and when it is tried again."""
        if stamp_at(entry.path) is None:
            return self._postpone(entry)
        is_last = entry.attempts > len(RETRY_DELAYS)
        retry_at = None if is_last else self._clock() + RETRY_DELAYS[entry.attempts - 1]
        self._catalogue.queue.fail(entry, error.reason, retry_at)
        fields = {"clip": entry.path, "reason": error.reason, "bundle": self.bundle.name}
        log.warning("%s: %s", entry.path, error.reason, extra=fields)
        return FileResult.UNUSABLE if isinstance(error, UnusableClip) else FileResult.UNREADABLE


def _unexpected(path: Path, error: Exception) -> UnreadableClip:
    """Return a defect of the program as a failure of one file, so that it stops no others."""
    log.debug("while processing %s", path, exc_info=error, extra={"clip": path})
    return UnreadableClip(path, f"unexpected {type(error).__name__}: {error}")


def _log_result(path: Path, analysis: Analysis | None) -> None:
    if analysis is None:
        log.info("%s: known sound, not analysed again", path, extra={"clip": path})
    else:
        predicted = analysis.prediction
        values = (predicted.arousal, predicted.valence)
        fields = {"clip": path, "bundle": predicted.bundle}
        log.info("%s: arousal %+.2f, valence %+.2f", path, *values, extra=fields)
