"""Keeps the watched folders watched: when one goes away, when it comes back, when limits bite."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from storage.records import FolderState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from config.settings import WatchedFolder
    from daemon.scanning import Comparison
    from daemon.watching import Watcher

log = logging.getLogger(__name__)


class WatchedFolders:
    """The folders of one run.

    Args:
        folders: as the operator named them.
        watcher: listens to them; None for a single pass.
    """

    def __init__(self, folders: Sequence[WatchedFolder], watcher: Watcher | None) -> None:
        self._folders = folders
        self._watcher = watcher
        self._seen: dict[Path, tuple[int, int] | None] = {}

    @property
    def roots(self) -> list[Path]:
        """The paths of the folders."""
        return [folder.path for folder in self._folders]

    def start(self) -> None:
        """Watch every folder."""
        self._seen = {root: _identity(root) for root in self.roots}
        if self._watcher is not None:
            self._watcher.watch(self._folders)

    def look(self) -> bool:
        """See which folders went away or came back, and tell whether any came back.

        A disk that is mounted again is another folder under the old name; a watch on what was
        there before hears nothing of it.
        """
        came_back = False
        for root in self.roots:
            now = _identity(root)
            if now == self._seen.get(root):
                continue
            self._seen[root] = now
            if now is None:
                log.warning("%s: went away; what is known of its files is kept", root)
            else:
                log.info("%s: is back", root)
                came_back = True
            if self._watcher is not None and now is not None:
                self._watcher.renew(root)
        return came_back

    def check(self, comparison: Comparison) -> bool:
        """Poll what the kernel does not fully watch; tell whether that must be looked at again.

        A directory made a moment ago may get its watch a moment later, so only what lacks one
        twice counts.
        """
        if self._watcher is None:
            return False
        return self._watcher.check_watches(comparison.directories)

    def states(self, comparison: Comparison, now: datetime) -> list[FolderState]:
        """Return how each folder stands after a comparison."""
        watcher = self._watcher
        degraded = {} if watcher is None else watcher.degraded
        watched_by: Callable[[Path], str] = (
            (lambda _: "nothing") if watcher is None else watcher.watched_by
        )
        return [
            FolderState(
                root, watched_by(root), now, comparison.unread.get(root) or degraded.get(root)
            )
            for root in self.roots
        ]


def _identity(root: Path) -> tuple[int, int] | None:
    try:
        stat = root.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
