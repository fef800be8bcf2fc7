"""Keeps the folders of a run watched, and notices when one disappears or comes back."""

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
    from daemon.watch.folder_comparison import FolderComparison
    from daemon.watch.nested_mounts import NestedMounts
    from daemon.watch.watcher import Watcher

log = logging.getLogger(__name__)


class _RootState(NamedTuple):
    """A root as last seen: device and number of its inode, and whether it is read-only."""

    inode: tuple[int, int]
    is_read_only: bool


class WatchedFolders:
    """The folders of one run.

    Args:
        folders: as the operator named them.
        watcher: reports changes in them; None for a single pass.
        mounts: the file systems mounted inside them.
        restriction: returns what keeps this process from a folder that exists, such as the sandbox
            of its unit; None if nothing does.
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
        self._seen: dict[Path, _RootState | None] = {}
        self._mounted: Mapping[Path, str] = {}

    @property
    def roots(self) -> list[Path]:
        """The paths of the folders."""
        return [folder.path for folder in self._folders]

    def start(self) -> None:
        """Watch every folder."""
        self._seen = {root: _state_of(root) for root in self.roots}
        self._mounted = self._mounts.refresh()
        if self._watcher is not None:
            for root in self.roots:
                is_there = self._seen[root] is not None
                state = "watched" if is_there else "is not there; watched as soon as it is"
                log.info("%s: %s", root, state, extra={"folder": root})
            self._watcher.watch(self._folders)
        self._warn_of_restrictions()

    def change(self, folders: Sequence[FolderSettings]) -> None:
        """Watch other folders, or the same in another mode."""
        before = {folder.path: folder.mode for folder in self._folders}
        after = {folder.path: folder.mode for folder in folders}
        self._folders = folders
        self._mounts.change(self.roots)
        self._mounted = self._mounts.refresh()
        self._seen = {root: self._seen.get(root) or _state_of(root) for root in self.roots}
        if self._watcher is not None:
            for path, mode in before.items():
                if mode != after.get(path):
                    self._watcher.unwatch(path)
            self._watcher.watch(
                folder for folder in folders if before.get(folder.path) != folder.mode
            )
        for path in before.keys() - after.keys():
            log.info("%s: no longer watched", path, extra={"folder": path})
        for path in after.keys() - before.keys():
            log.info("%s: watched from now on", path, extra={"folder": path})
        self._warn_of_restrictions()

    def refresh(self) -> bool:
        """Notice folders that disappeared, came back or became writable.

        A disk that is mounted again is another folder under the old name, so it is watched again.

        Returns:
            Whether the folders must be compared with the catalogue again.
        """
        changed = self._refresh_mounts()
        for folder in self._folders:
            root = folder.path
            before, now = self._seen.get(root), _state_of(root)
            if now == before:
                continue
            self._seen[root] = now
            fields = {"folder": root}
            if now and before and now.inode == before.inode:
                access = "read-only" if now.is_read_only else "writable"
                log.info("%s: its file system is %s now", root, access, extra=fields)
                changed |= not now.is_read_only
                continue
            changed = True
            if now is None:
                log.warning("%s: is gone; its records are kept", root, extra=fields)
            else:
                log.info("%s: is back", root, extra=fields)
                self._watch_again(folder)
        return changed

    def _refresh_mounts(self) -> bool:
        """Notice file systems that were mounted or unmounted inside the folders."""
        before, self._mounted = self._mounted, self._mounts.refresh()
        changed = dict(before.items() ^ self._mounted.items())
        for point in sorted(changed):
            if point in self._mounted:
                log.info("%s: a disk is mounted here", point, extra={"folder": point})
            else:
                text = "%s: its disk is no longer mounted; its records are kept"
                log.warning(text, point, extra={"folder": point})
        for folder in self._folders:
            if any(point.is_relative_to(folder.path) for point in changed):
                self._watch_again(folder)
        return bool(changed)

    def add(self, folder: str) -> None:
        """See `Watcher.add`."""
        if self._watcher is not None:
            self._watcher.add(folder)

    def check_watches(self, comparison: FolderComparison) -> bool:
        """See `Watcher.check_watches`."""
        return self._watcher is not None and self._watcher.check_watches(comparison.directories)

    def states(self, comparison: FolderComparison, now: datetime) -> list[FolderState]:
        """Return the state of each folder after a comparison."""
        watcher = self._watcher
        degraded = watcher.degraded if watcher else {}
        watched_by: Callable[[Path], str] = watcher.watched_by if watcher else lambda _: "nothing"
        states = []
        for root in self.roots:
            restriction = self._restriction(root)
            # A folder hidden by the sandbox cannot be listed either, which is the lesser reason.
            hidden = restriction if not root.exists() else None
            problem = hidden or comparison.unreadable.get(root) or restriction or degraded.get(root)
            states.append(FolderState(root, watched_by(root), now, problem))
        # A mount point inside a folder gets a row by which the next run remembers it.
        for point in self._mounts.known:
            home = max(filter(point.is_relative_to, self.roots), key=lambda root: len(root.parts))
            if point != home:
                problem = comparison.unreadable.get(point)
                states.append(FolderState(point, watched_by(home), now, problem))
        return states

    def _watch_again(self, folder: FolderSettings) -> None:
        if self._watcher is not None:
            self._watcher.watch_again(folder)

    def _warn_of_restrictions(self) -> None:
        for root in self.roots:
            if (reason := self._restriction(root)) is not None:
                log.warning("%s: %s", root, reason, extra={"folder": root, "reason": reason})


def _state_of(root: Path) -> _RootState | None:
    try:
        stat = root.stat()
    except OSError:
        return None
    return _RootState((stat.st_dev, stat.st_ino), is_read_only(root))
