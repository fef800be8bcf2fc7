"""How those who hear a sound, or change its values, tell those who write its tags."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from storage.jobs import RETAG
from storage.schema.catalogue_errors import CatalogueError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from daemon.pipeline.stages import Pipeline
    from storage.jobs import JobStore


class TagHandover:
    """A request in the catalogue, which every service on it sees, and which stays there.

    Args:
        jobs: of the catalogue.
        pipeline: knows whether it left tags to others.
        clock: the time.
    """

    def __init__(self, jobs: JobStore, pipeline: Pipeline, clock: Callable[[], datetime]) -> None:
        self._jobs, self._pipeline, self._clock = jobs, pipeline, clock
        # All that is pending is written at the start.
        self._seen = jobs.requested_at(RETAG)

    def is_requested(self) -> bool:
        """Return whether tags were requested since the last call.

        Raises:
            CatalogueError: the catalogue cannot be read.
        """
        before, self._seen = self._seen, self._jobs.requested_at(RETAG)
        return self._seen != before and self._seen is not None

    def request(self) -> None:
        """Have every service write the pending tags of its folders.

        Raises:
            CatalogueError: the catalogue cannot be written.
        """
        self._jobs.request(RETAG, self._clock())

    def close(self) -> None:
        """Request what was left, if the catalogue can be written; a comparison finds it as well."""
        with suppress(CatalogueError):
            self.request_left()

    def request_left(self) -> None:
        """Have those tags written that this service left to others since it asked last.

        Raises:
            CatalogueError: as `request`; to be tried again.
        """
        if self._pipeline.has_left_tags:
            self._pipeline.has_left_tags = False
            try:
                self.request()
            except CatalogueError:
                self._pipeline.has_left_tags = True
                raise
