"""Puts files back into the queue that are not complete, or not there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from daemon.watch.file_state import stamp_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from daemon.pipeline.file_rights import FileRights
    from storage.catalogue import Catalogue
    from storage.schema.records import QueueEntry

LEFT_FOR: Final = timedelta(minutes=1)
"""A file that this service does not see as it was queued is left to others for so long."""


@dataclass(frozen=True)
class Postponing:
    """Puts files back into the queue.

    Attributes:
        catalogue: whose queue it is.
        settle_s: returns for how many seconds a file that changed is left alone.
        clock: the time.
        rights: of this service.
    """

    catalogue: Catalogue
    settle_s: Callable[[], float]
    clock: Callable[[], datetime]
    rights: FileRights

    def postpone(self, entry: QueueEntry) -> None:
        """Wait until a file that changed is complete again; forget one that is gone."""
        stamp, queue = stamp_at(entry.path), self.catalogue.queue
        if not self.rights.holds(entry.path):
            # A disk that is not mounted here must not make others forget its files.
            queue.postpone(entry, entry.stamp, self.clock() + LEFT_FOR)
        elif stamp is None:
            self._part_from(entry)
        else:
            queue.postpone(entry, stamp, self._settled_at())

    def _part_from(self, entry: QueueEntry) -> None:
        clip = self.catalogue.clip_at(entry.path)
        if clip is not None and not clip.is_missing and self.rights.may_be_away(entry.path):
            # What was asked of it is done when its disk is back.
            self.catalogue.queue.postpone(entry, entry.stamp, self.clock() + LEFT_FOR)
        else:
            self.catalogue.queue.remove(entry)
            self.catalogue.mark_missing([entry.path], self.clock())

    def queue_again(self, path: Path) -> None:
        """Queue a file that has changed since it was analysed, if it is there."""
        stamp = stamp_at(path)
        if stamp is not None:
            due_at = self._settled_at()
            self.catalogue.queue.put([(path, stamp)], self.clock(), due_at=due_at)

    def _settled_at(self) -> datetime:
        return self.clock() + timedelta(seconds=self.settle_s())
