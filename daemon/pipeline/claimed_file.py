"""A file that was claimed from the queue: it must be the very one that was queued."""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING

from daemon.pipeline.tag_tries import STOPPED_EACH_TIME
from daemon.system.sparse_files import MOSTLY_HOLES, is_mostly_holes
from daemon.watch.file_state import stamp_at
from daemon.watch.open_writers import is_being_written
from storage.schema.file_stamps import FileStamp
from trainer.audio.sound_file import opened
from trainer.trainer_errors import UnreadableClip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storage.schema.records import QueueEntry
    from trainer.audio.sound_file import SoundFile

RETRY_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 10, 60, 360, 1440))
"""Time until the next attempt after the first, second, ... failure; then the file is given up."""


class FileResult(Enum):
    """What became of a claimed file."""

    PROCESSED = auto()
    RECOGNISED = auto()
    UNREADABLE = auto()
    UNUSABLE = auto()
    POSTPONED = auto()


class FileChanged(Exception):
    """The file is gone, or is no longer the one that was queued."""


def require_unchanged(entry: QueueEntry) -> None:
    """Check that a file is as it was queued, that no program writes to it, and that it is tried.

    Raises:
        FileChanged: it is not.
        UnreadableClip: it was tried too often.
    """
    present = stamp_at(entry.path)
    if present is None or not entry.stamp.holds_for(present) or is_being_written(entry.path):
        raise FileChanged(entry.path)
    if entry.attempts > len(RETRY_DELAYS) + 1:
        raise UnreadableClip(entry.path, STOPPED_EACH_TIME)


@contextmanager
def as_queued(entry: QueueEntry) -> Iterator[SoundFile]:
    """Hold the very file that was queued open, whatever its path leads to meanwhile.

    Raises:
        FileChanged: it is another one.
        UnreadableClip: it cannot be opened, or is mostly holes.
    """
    with opened(entry.path, follow_links=False) as file:
        if not entry.stamp.holds_for(FileStamp.of(os.fstat(file.descriptor))):
            raise FileChanged(entry.path)
        if is_mostly_holes(file.descriptor):
            raise UnreadableClip(entry.path, MOSTLY_HOLES)
        yield file
