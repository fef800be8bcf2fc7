"""The slower loops, all in one place."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOOK_S = 10.0
"""How soon a disk that was mounted again is noticed, in seconds."""


@contextmanager
def slower_loops(
    *, reconcile: Callable[[], None], reconcile_s: float, look_at_folders: Callable[[], None]
) -> Iterator[None]:
    """Run what recurs, each loop in its own rhythm, until the block ends.

    Args:
        reconcile: asks for a comparison of the folders with the catalogue; must return at once.
        reconcile_s: how often, in seconds.
        look_at_folders: asks whether a folder went away or came back; must return at once.
    """
    scheduler = BackgroundScheduler(
        timezone="UTC",
        executors={"default": ThreadPoolExecutor(1)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    scheduler.add_job(reconcile, "interval", seconds=reconcile_s, id="reconcile")
    scheduler.add_job(look_at_folders, "interval", seconds=LOOK_S, id="look at folders")
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown()
