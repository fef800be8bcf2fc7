"""Takes in what events and walks report, waits until files are complete, and queues them."""

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

log = logging.getLogger(__name__)


class Enqueuer:
    """Between the folders and the queue. Driven by one thread; time is an argument.

    Args:
        roots: the watched folders.
        admission: which names count.
        settle_s: returns for how many seconds a file must be silent to be complete.
        catalogue: whose queue is filled.
        mounts: the disks inside the watched folders.
        clock: the time, aware of its zone.
        queued: called when files were queued.
        expected: called when a file will settle soon.
    """

    def __init__(
        self,
        roots: list[Path],
        admission: FileFilter,
        settle_s: Callable[[], float],
        catalogue: Catalogue,
        *,
        mounts: NestedMounts,
        clock: Callable[[], datetime],
        queued: Callable[[], None],
        expected: Callable[[], None],
    ) -> None:
        self._roots = roots
        self._admission = admission
        self._settle_s = settle_s
        self._settler = StabilityTracker(settle_s)
        self._catalogue = catalogue
        self._mounts = mounts
        self._clock = clock
        self._queued = queued
        self._expected = expected

    def change(self, roots: list[Path], admission: FileFilter) -> None:
        """Stand between other folders and the queue from now on.

        What was not complete yet is forgotten; the reconcile that must follow finds it.
        """
        self._roots = roots
        self._admission = admission
        self._settler = StabilityTracker(self._settle_s)

    def path_changed(self, path: Path, now_s: float) -> None:
        """Take in that something happened at a path, whatever it was."""
        homes = [root for root in self._roots if path.is_relative_to(root) and path != root]
        if not homes:
            return
        # Of two watched folders, one inside the other, the inner one speaks for its files.
        root = max(homes, key=lambda home: len(home.parts))
        if is_folder(path):
            if all(map(self._admission.enters, path.relative_to(root).parts)):
                self._look_into(path, now_s)
            return
        stamp = stamp_at(path)
        if stamp is None:
            self._take_leave(path)
        elif self._admission.admits_below(path, root) and not self._is_known(path, stamp):
            self._settler.touch(path, stamp, now_s)
            self._expected()

    def settle(self, now_s: float) -> None:
        """Queue the files that are complete by now (seconds of the monotonic clock)."""
        complete = []
        for path in self._settler.due(now_s):
            stamp = stamp_at(path)
            if stamp is None:
                self._settler.forget(path)
            elif not self._settler.judge(path, stamp, now_s) or self._is_known(path, stamp):
                continue
            elif is_being_written(path):
                self._settler.touch(path, stamp, now_s)
            else:
                complete.append((path, stamp))
        if complete:
            self._catalogue.queue.put(complete, self._clock())
            self._queued()

    def next_due(self) -> float | None:
        """Return when `settle` has something to do, in seconds of the monotonic clock."""
        return self._settler.next_due()

    def unsettled(self) -> list[Path]:
        """Return the files that are waited for because they are not complete yet."""
        return self._settler.unsettled()

    def reconcile(self, now_s: float, alive: Callable[[], None] = lambda: None) -> FolderComparison:
        """Compare the folders with the catalogue and take in every difference.

        Args:
            now_s: the monotonic clock.
            alive: called with every file that is found: a large library takes a while.
        """
        started = time.monotonic()
        comparison = compare(
            self._roots,
            self._admission,
            self._catalogue.stamps(),
            self._catalogue.queued_stamps(),
            self._mounts,
            alive,
        )
        self._take_in(comparison.new, now_s)
        self._catalogue.queue.forget(comparison.gone)
        self._catalogue.mark_missing(comparison.gone, self._clock())
        for folder, reason in comparison.unreadable.items():
            told = {"folder": folder, "reason": reason}
            log.warning("%s: cannot be listed: %s", folder, reason, extra=told)
        log.debug(
            "compared folders with the catalogue in %.2f s: %d known, %d new, %d gone",
            time.monotonic() - started,
            comparison.known,
            len(comparison.new),
            len(comparison.gone),
        )
        return comparison

    def _take_leave(self, path: Path) -> None:
        """Take in that there is nothing at a path any more, nor below it if it was a folder."""
        if self._mounts.hides(path):
            return
        gone = [path, *(clip.path for clip in self._catalogue.clips_below(path))]
        self._settler.forget(path)
        self._catalogue.queue.forget(gone)
        self._catalogue.mark_missing(gone, self._clock())

    def _look_into(self, folder: Path, now_s: float) -> None:
        """Take in a folder that was made or moved here: its files may have come without events."""
        for found in walk(folder, self._admission, SkippedEntries()):
            if not self._is_known(found.path, found.stamp):
                self._settler.touch(found.path, found.stamp, now_s)
                self._expected()

    def _take_in(self, new: list[FoundFile], now_s: float) -> None:
        # A file that last changed longer ago than this is complete already.
        latest_s = self._clock().timestamp() - self._settle_s()
        complete = []
        for found in new:
            if found.changed_s <= latest_s and not is_being_written(found.path):
                complete.append((found.path, found.stamp))
            else:
                self._settler.touch(found.path, found.stamp, now_s)
        if complete:
            self._catalogue.queue.put(complete, self._clock())
            self._queued()

    def _is_known(self, path: Path, stamp: object) -> bool:
        clip = self._catalogue.clip_at(path)
        return clip is not None and not clip.is_missing and clip.stamp == stamp
