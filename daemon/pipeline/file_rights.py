"""Which files are the affair of this service, where several share a catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from storage.schema.records import Clip


def _everywhere(path: Path) -> bool:
    del path
    return True


def _nowhere(path: Path) -> bool:
    del path
    return False


@dataclass(frozen=True)
class FileRights:
    """What this service may do with files, and what it can tell of them.

    Attributes:
        holds: whether a path is for this service to write to, or to call missing; raises
            CatalogueError while this is not certain.
        sees: whether this machine has the folder of a path.
        may_be_away: whether a path may lie on a disk that is not mounted.
    """

    holds: Callable[[Path], bool] = _everywhere
    sees: Callable[[Path], bool] = _everywhere
    may_be_away: Callable[[Path], bool] = _nowhere

    def knows(self, clip: Clip) -> bool:
        """Whether a clip without a file at its path is certainly gone from there."""
        return clip.is_missing or self.sees(clip.path)


ALL_FILES: Final = FileRights()
"""The rights of a service that is alone."""
