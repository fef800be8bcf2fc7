"""Corrects what a clock that was set back would leave undone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from storage.catalogue import Catalogue


def correct_future_times(
    catalogue: Catalogue, now: datetime, allowed: timedelta = timedelta()
) -> None:
    """Correct what would be left undone until a time that a wrong clock has named.

    Args:
        catalogue: with files that are due, and trainings.
        now: the time.
        allowed: how far from now a file may be due.

    Raises:
        CatalogueError: the catalogue cannot be written.
    """
    catalogue.queue.expedite(now, now + allowed)
    catalogue.jobs.correct_future_trainings(now)
