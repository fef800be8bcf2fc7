"""Decides when a file is complete: no event for a while, and its stamp the same twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from storage.schema.records import FileStamp


@dataclass(frozen=True)
class _Unsettled:
    stamp: FileStamp
    due: float


class StabilityTracker:
    """Keeps the files that something happened to. Knows no clock, no thread and no disk.

    Args:
        settle_s: returns after how many seconds of silence a file whose stamp did not change is
            settled.
    """

    def __init__(self, settle_s: Callable[[], float]) -> None:
        self._settle_s = settle_s
        self._unsettled: dict[Path, _Unsettled] = {}

    def __len__(self) -> int:
        return len(self._unsettled)

    def touch(self, path: Path, stamp: FileStamp, now: float) -> None:
        """Note that something happened to a file, which looks like `stamp` at `now` (seconds)."""
        self._unsettled[path] = _Unsettled(stamp, now + self._settle_s())

    def unsettled(self) -> list[Path]:
        """Return the files that are not complete yet."""
        return list(self._unsettled)

    def forget(self, path: Path) -> None:
        """Drop a file that is gone."""
        self._unsettled.pop(path, None)

    def next_due(self) -> float | None:
        """Return when `due` should be asked again, None while nothing is unsettled."""
        return min((entry.due for entry in self._unsettled.values()), default=None)

    def due(self, now: float) -> list[Path]:
        """Return the files that have been silent long enough and are to be looked at again."""
        return [path for path, entry in self._unsettled.items() if entry.due <= now]

    def judge(self, path: Path, stamp: FileStamp, now: float) -> bool:
        """Tell whether a due file is complete, given how it looks now.

        A file that still changes, though without events (as on some network mounts), waits
        for another turn.
        """
        if self._unsettled[path].stamp == stamp:
            del self._unsettled[path]
            return True
        self.touch(path, stamp, now)
        return False
