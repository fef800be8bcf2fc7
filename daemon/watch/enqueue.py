"""Queues files that are complete, as reported by events and found by scans."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from daemon.watch.file_state import is_folder, stamp_at
from daemon.watch.open_writers import is_being_written
from daemon.watch.scanner import FolderComparison, FoundFile, SkippedEntries, compare, walk
from daemon.watch.stability import StabilityTracker

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from daemon.watch.file_filter import FileFilter
    from daemon.watch.nested_mounts import NestedMounts
    from storage.catalogue import Catalogue
    from storage.schema.file_stamps import FileStamp

log = logging.getLogger(__name__)


class Enqueuer:
    """Between watched folders and queue. Used by one thread; `now_s` is the monotonic clock.

    Args:
        roots: the watched folders.
        file_filter: which names count.
        settle_s: returns for how many seconds a file must stay unchanged to be complete.
        catalogue: whose queue is filled.
        mounts: the file systems mounted inside the watched folders.
        clock: the time, aware of its zone.
        queued: called when files were queued.
        expected: called when a file will be complete soon.
    """

    def __init__(
        self,
        roots: list[Path],
        file_filter: FileFilter,
        settle_s: Callable[[], float],
        catalogue: Catalogue,
        *,
        mounts: NestedMounts,
        clock: Callable[[], datetime],
        queued: Callable[[], None],
        expected: Callable[[], None],
    ) -> None:
        self._settle_s = settle_s
        self._catalogue = catalogue
        self._mounts = mounts
        self._clock = clock
        self._queued = queued
        self._expected = expected
        self.change(roots, file_filter)

    def change(self, roots: list[Path], file_filter: FileFilter) -> None:
        """Replace folders and filter; a reconcile must follow to find the incomplete files."""
        self._roots = roots
        self._file_filter = file_filter
        self._tracker = StabilityTracker(self._settle_s)

    def path_changed(self, path: Path, now_s: float) -> None:
        """Handle an event at a path, of whatever kind."""
        homes = [root for root in self._roots if path.is_relative_to(root) and path != root]
        if not homes:
            return
        # Of two watched folders, one inside the other, the inner one decides on its files.
        root = max(homes, key=lambda home: len(home.parts))
        if is_folder(path):
            if all(map(self._file_filter.allows_folder, path.relative_to(root).parts)):
                self._scan_new_folder(path, now_s)
            return
        stamp = stamp_at(path)
        if stamp is None:
            self._remove(path)
        elif self._file_filter.allows_below(path, root):
            self._expect(path, stamp, now_s)

    def settle(self, now_s: float) -> None:
        """Queue the files that are complete by now."""
        complete = []
        for path in self._tracker.due(now_s):
            stamp = stamp_at(path)
            if stamp is None:
                self._tracker.forget(path)
            elif not self._tracker.check(path, stamp, now_s) or self._is_known(path, stamp):
                continue
            elif is_being_written(path):
                self._tracker.touch(path, stamp, now_s)
            else:
                complete.append((path, stamp))
        self._enqueue(complete)

    def next_due(self) -> float | None:
        """Return when `settle` has something to do, None while it has not."""
        return self._tracker.next_due_s()

    def unsettled(self) -> list[Path]:
        """Return the files that are not complete yet."""
        return self._tracker.unsettled()

    def reconcile(self, now_s: float, alive: Callable[[], None] = lambda: None) -> FolderComparison:
        """Compare the folders with the catalogue, and queue or mark missing what differs.

        `alive` is called with every file that is found: a large library takes a while.
        """
        started_s = time.monotonic()
        comparison = compare(
            self._roots,
            self._file_filter,
            self._catalogue.stamps(),
            self._catalogue.queued_stamps(),
            self._mounts,
            alive,
        )
        self._catalogue.restamp(comparison.restamped)
        self._add_found(comparison.new, now_s)
        self._catalogue.queue.forget(comparison.gone)
        self._catalogue.mark_missing(comparison.gone, self._clock())
        for folder, reason in comparison.unreadable.items():
            fields = {"folder": folder, "reason": reason}
            log.warning("%s: cannot be listed: %s", folder, reason, extra=fields)
        log.debug(
            "compared folders with the catalogue in %.2f s: %d known, %d new, %d gone",
            time.monotonic() - started_s,
            comparison.known,
            len(comparison.new),
            len(comparison.gone),
        )
        return comparison

    def _remove(self, path: Path) -> None:
        """Mark what was at a path as missing, and what was below it if it was a folder."""
        if self._mounts.hides(path):
            return
        gone = [path, *(clip.path for clip in self._catalogue.clips_below(path))]
        self._tracker.forget(path)
        self._catalogue.queue.forget(gone)
        self._catalogue.mark_missing(gone, self._clock())

    def _scan_new_folder(self, folder: Path, now_s: float) -> None:
        """Find the files of a folder that was made or moved here; they may come without events."""
        for found in walk(folder, self._file_filter, SkippedEntries()):
            self._expect(found.path, found.stamp, now_s)

    def _add_found(self, new: list[FoundFile], now_s: float) -> None:
        # A file that last changed longer ago than this is complete already.
        latest_s = self._clock().timestamp() - self._settle_s()
        complete = []
        for found in new:
            if found.changed_s <= latest_s and not is_being_written(found.path):
                complete.append((found.path, found.stamp))
            else:
                self._tracker.touch(found.path, found.stamp, now_s)
        self._enqueue(complete)

    def _expect(self, path: Path, stamp: FileStamp, now_s: float) -> None:
        if not self._is_known(path, stamp):
            self._tracker.touch(path, stamp, now_s)
            self._expected()

    def _enqueue(self, complete: list[tuple[Path, FileStamp]]) -> None:
        if complete:
            self._catalogue.queue.put(complete, self._clock())
            self._queued()

    def _is_known(self, path: Path, stamp: FileStamp) -> bool:
        clip = self._catalogue.clip_at(path)
        return clip is not None and not clip.is_missing and clip.stamp.holds_for(stamp)
