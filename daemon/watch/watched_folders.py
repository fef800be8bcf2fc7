"""Keeps the watched folders watched: when one goes away, when it comes back, when limits bite."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from daemon.system.mounts import is_read_only
from storage.schema.records import FolderState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from config.settings import FolderSettings
    from daemon.watch.nested_mounts import NestedMounts
    from daemon.watch.scanner import FolderComparison
    from daemon.watch.watcher import Watcher

log = logging.getLogger(__name__)


class WatchedFolders:
    """The folders of one run.

    Args:
        folders: as the operator named them.
        watcher: listens to them; None for a single pass.
        mounts: the disks inside them.
        restriction: returns what keeps us from a folder although it is there, None if nothing does.
    """

    def __init__(
        self,
        folders: Sequence[FolderSettings],
        watcher: Watcher | None,
        mounts: NestedMounts,
        restriction: Callable[[Path], str | None] = lambda _: None,
    ) -> None:
        self._folders = folders
        self._watcher = watcher
        self._mounts = mounts
        self._restriction = restriction
        self._seen: dict[Path, _Looks | None] = {}
        self._mounted: Mapping[Path, str] = {}

    @property
    def roots(self) -> list[Path]:
        """The paths of the folders."""
        return [folder.path for folder in self._folders]

    def start(self) -> None:
        """Watch every folder."""
        self._seen = {root: _looks_of(root) for root in self.roots}
        self._mounted = self._mounts.refresh()
        if self._watcher is not None:
            self._watcher.watch(self._folders)
        self._warn_of_walls()

    def change(self, folders: Sequence[FolderSettings]) -> None:
        """Watch other folders from now on, or the same in another way."""
        before = {folder.path: folder.mode for folder in self._folders}
        after = {folder.path: folder.mode for folder in folders}
        left = [path for path in before if before[path] != after.get(path)]
        new = [folder for folder in folders if before.get(folder.path) != folder.mode]
        self._folders = folders
        self._mounts.change(self.roots)
        self._mounted = self._mounts.refresh()
        self._seen = {root: self._seen.get(root) or _looks_of(root) for root in self.roots}
        if self._watcher is not None:
            for path in left:
                self._watcher.unwatch(path)
            self._watcher.watch(new)
        for path in before.keys() - after.keys():
            log.info("%s: watched no more", path, extra={"folder": path})
        for path in after.keys() - before.keys():
            log.info("%s: watched from now on", path, extra={"folder": path})
        self._warn_of_walls()

    def refresh(self) -> bool:
        """See which folders went away or came back, and tell whether to compare them anew.

        One that could only be read for a while is back when it can be written again. A disk that
        is mounted again is another folder under the old name; a watch on what was there before
        hears nothing of it.
        """
        changed = self._look_inside()
        for folder in self._folders:
            root = folder.path
            before, now = self._seen.get(root), _looks_of(root)
            if now == before:
                continue
            self._seen[root] = now
            told = {"folder": root}
            if now is not None and before is not None and now.inode == before.inode:
                log.info("%s: its file system is %s now", root, now.access, extra=told)
                changed |= not now.is_read_only
                continue
            changed = True
            if now is None:
                log.warning("%s: went away; what is known of its files is kept", root, extra=told)
            else:
                log.info("%s: is back", root, extra=told)
            if self._watcher is not None and now is not None:
                self._watcher.renew(folder)
        return changed

    def _look_inside(self) -> bool:
        """Notice disks that were mounted or unmounted inside the folders; tell whether any was."""
        before, self._mounted = self._mounted, self._mounts.refresh()
        changed = dict(before.items() ^ self._mounted.items())
        for point in sorted(changed):
            if point in self._mounted:
                log.info("%s: a disk is mounted here", point, extra={"folder": point})
            else:
                text = "%s: its disk went away; what is known of its files is kept"
                log.warning(text, point, extra={"folder": point})
        for folder in self._folders:
            inside = any(point.is_relative_to(folder.path) for point in changed)
            if self._watcher is not None and inside:
                self._watcher.renew(folder)
        return bool(changed)

    def check_watches(self, comparison: FolderComparison) -> bool:
        """Poll what the kernel does not fully watch; tell whether that must be looked at again.

        A directory made a moment ago may get its watch a moment later, so only what lacks one
        twice counts.
        """
        if self._watcher is None:
            return False
        return self._watcher.check_watches(comparison.directories)

    def states(self, comparison: FolderComparison, now: datetime) -> list[FolderState]:
        """Return how each folder stands after a comparison."""
        watcher = self._watcher
        degraded = {} if watcher is None else watcher.degraded
        watched_by: Callable[[Path], str] = (
            (lambda _: "nothing") if watcher is None else watcher.watched_by
        )
        states = []
        for root in self.roots:
            wall = self._restriction(root)
            # What is not seen cannot be listed either, and would be taken for a disk that is away.
            trouble = (not root.exists() and wall) or comparison.unreadable.get(root) or wall
            states.append(FolderState(root, watched_by(root), now, trouble or degraded.get(root)))
        # A disk inside a folder is watched with it; its row is what the next run remembers it by.
        for point in self._mounts.known:
            home = max(filter(point.is_relative_to, self.roots), key=lambda root: len(root.parts))
            if point != home:
                trouble = comparison.unreadable.get(point)
                states.append(FolderState(point, watched_by(home), now, trouble))
        return states

    def _warn_of_walls(self) -> None:
        for root in self.roots:
            if (wall := self._restriction(root)) is not None:
                log.warning("%s: %s", root, wall, extra={"folder": root, "reason": wall})


class _Looks(NamedTuple):
    """How a root looked: device and number of its inode, and whether it can only be read."""

    inode: tuple[int, int]
    is_read_only: bool

    @property
    def access(self) -> str:
        """Return what can be done there, in words."""
        return "read-only" if self.is_read_only else "writable"


def _looks_of(root: Path) -> _Looks | None:
    try:
        stat = root.stat()
    except OSError:
        return None
    return _Looks((stat.st_dev, stat.st_ino), is_read_only(root))
