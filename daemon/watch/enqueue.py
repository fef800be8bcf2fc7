"""Queues files that are complete, as reported by events and found by scans."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.watch.file_state import is_folder, stamp_at
from daemon.watch.folder_comparison import FolderComparison, comparing
from daemon.watch.open_writers import is_being_written
from daemon.watch.scanner import FoundFile, SkippedEntries, walk
from daemon.watch.stability import StabilityTracker
from storage.database.sessions import batches

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

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

    Attributes:
        holds: whether the file at a path is for this service to call missing; raises CatalogueError
            while that is not certain.
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
        self.holds: Callable[[Path], bool] = lambda _: True
        self.change(roots, file_filter)

    def change(self, roots: list[Path], file_filter: FileFilter) -> None:
        """Replace folders and filter; a reconcile must follow to find the incomplete files."""
        self._roots = roots
        self._file_filter = file_filter
        self._tracker = StabilityTracker(self._settle_s)

    def path_changed(self, path: Path, now_s: float) -> None:
        """Handle an event at a path, of whatever kind."""
        root = self._root_of(path)
        if root is None:
            return
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
            elif not self._tracker.check(path, stamp, now_s):
                continue
            # Asked first: it costs a fiftieth of a look into the catalogue, and a program may have
            # hundreds of files open for hours.
            elif is_being_written(path):
                self._tracker.touch(path, stamp, now_s)
            elif not self._is_known(path, stamp):
                complete.append((path, stamp))
        self._enqueue(complete)

    def next_due(self) -> float | None:
        """Return when `settle` has something to do, None while it has not."""
        return self._tracker.next_due_s()

    def unsettled(self) -> list[Path]:
        """Return the files that are not complete yet."""
        return self._tracker.unsettled()

    def reconciling(
        self,
        found: FolderComparison,
        now_s: Callable[[], float],
        watch: Callable[[str], None] = lambda _: None,
    ) -> Generator[None, None, None]:
        """Compare the folders with the catalogue, and queue or mark missing what differs.

        In short steps, between which events may be handled.

        Args:
            found: filled in, except with what is done on the way.
            now_s: the monotonic clock.
            watch: called with each folder, which ends in a slash, before it is listed.
        """
        with self._catalogue.known_files() as known:
            for _ in comparing(found, self._roots, self._file_filter, known, self._mounts, watch):
                self._take(found, now_s())
                yield
        self._take(found, now_s())
        for some in batches(found.gone):
            self._mark_gone(self._judged(some, found), now_s())
            yield
        for folder, reason in found.unreadable.items():
            fields = {"folder": folder, "reason": reason}
            log.warning("%s: cannot be listed: %s", folder, reason, extra=fields)

    def _take(self, found: FolderComparison, now_s: float) -> None:
        """Do what follows from what was found so far."""
        if found.restamped:
            self._catalogue.restamp(found.restamped)
            found.restamped = {}
        if found.new:
            self._add_found(found.new, now_s)
            found.queued += len(found.new)
            found.new = []

    def _judged(self, names: list[str], found: FolderComparison) -> list[Path]:
        """Return those of some paths whose disk is the one that was compared."""
        hidden = [*found.replaced(), *self._mounts.unmounted()]
        return [path for path in map(Path, names) if not any(map(path.is_relative_to, hidden))]

    def _mark_gone(self, paths: list[Path], now_s: float) -> None:
        """Mark files as missing, except those that came back since they were not found."""
        back = [path for path in paths if self._is_there(path)]
        gone = [path for path in paths if path not in back] if back else paths
        self._forget(gone)
        for path in back:
            self.path_changed(path, now_s)

    def _is_there(self, path: Path) -> bool:
        """Tell whether a walk would find a file now."""
        root = self._root_of(path)
        return (
            root is not None
            and stamp_at(path) is not None
            and self._file_filter.allows_below(path, root)
            # A walk follows no link, to a folder either.
            and os.path.realpath(path.parent) == str(path.parent)
        )

    def _root_of(self, path: Path) -> Path | None:
        """Return the watched folder that decides on a path: the innermost one."""
        homes = [root for root in self._roots if path.is_relative_to(root) and path != root]
        return max(homes, key=lambda home: len(home.parts), default=None)

    def _remove(self, path: Path) -> None:
        """Mark what was at a path as missing, and what was below it if it was a folder."""
        if self._mounts.hides(path):
            return
        gone = [path, *(clip.path for clip in self._catalogue.clips_below(path))]
        self._tracker.forget(path)
        self._forget(gone)

    def _forget(self, paths: list[Path]) -> None:
        gone = list(filter(self.holds, paths))
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
