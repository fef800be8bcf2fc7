"""The stages of a file in a service that only helps: another one writes the tags."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from daemon.pipeline.claimed_file import FileResult
from daemon.pipeline.stages import Pipeline

if TYPE_CHECKING:
    from daemon.worker.sound_reader import SoundReader
    from storage.schema.records import Clip, QueueEntry

LEFT_FOR: Final = timedelta(minutes=1)
"""A file that this service cannot see as it was queued is left to others for so long."""


class HelpingPipeline(Pipeline):
    """Hears files that another service has queued, and leaves all else to that service."""

    def write_tags(self, clip: Clip, worker: SoundReader) -> None:
        """Leave the tags pending: the other service takes up its own interrupted writes only."""

    def _postpone(self, entry: QueueEntry) -> FileResult:
        # A disk that is not mounted here must not make others forget its files.
        self._catalogue.queue.postpone(entry, entry.stamp, self._clock() + LEFT_FOR)
        return FileResult.POSTPONED
