"""Decides when a file is complete: no event for a while, and the same stamp before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from storage.schema.file_stamps import FileStamp


class StabilityTracker:
    """Files that have changed and may change again. Times are seconds of the monotonic clock.

    Args:
        settle_s: returns for how many seconds a file must stay unchanged to be complete.
    """

    def __init__(self, settle_s: Callable[[], float]) -> None:
        self._settle_s = settle_s
        self._unsettled: dict[Path, tuple[FileStamp, float]] = {}

    def touch(self, path: Path, stamp: FileStamp, now_s: float) -> None:
        """Note that a file changed, and its stamp now."""
        self._unsettled[path] = (stamp, now_s + self._settle_s())

    def unsettled(self) -> list[Path]:
        """Return the files that are not complete yet."""
        return list(self._unsettled)

    def forget(self, path: Path) -> None:
        """Drop a file that is gone."""
        self._unsettled.pop(path, None)

    def next_due_s(self) -> float | None:
        """Return when the next file is due, None while there is none."""
        return min((due_s for _, due_s in self._unsettled.values()), default=None)

    def due(self, now_s: float) -> list[Path]:
        """Return the files without an event for long enough, which are to be checked."""
        return [path for path, (_, due_s) in self._unsettled.items() if due_s <= now_s]

    def check(self, path: Path, stamp: FileStamp, now_s: float) -> bool:
        """Tell whether a due file is complete, and drop it if so; otherwise it is due again later.

        On some network mounts a file changes without events.
        """
        if self._unsettled[path][0] == stamp:
            del self._unsettled[path]
            return True
        self.touch(path, stamp, now_s)
        return False
