"""Logs why files have no tags: each file once, and only the first of many as a warning."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from daemon.tagging.basics.tag_errors import READ_ONLY
from storage.schema.records import TagState

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from storage.schema.records import Clip, TagOutcome

log = logging.getLogger(__name__)

MOST_WARNINGS: Final = 10
"""Most warnings within an hour for one reason; further files are logged at info."""

MOST_REASONS: Final = 50
"""Most different reasons that are warned of within an hour."""

AN_HOUR: Final = timedelta(hours=1)


class TagFailureLog:
    """The log of files whose tags could not be written. Safe to use from several threads.

    Fifty thousand files that nobody may write to have one reason. A reader of warnings must see it
    without a flood, and a reader who searches for one file must find it, too.

    Args:
        clock: the time, aware of its zone.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._since = clock()
        self._counts: Counter[str] = Counter()
        self._failed: set[int] = set()
        self._lock = threading.Lock()

    def report(self, clip: Clip, outcome: TagOutcome) -> None:
        """Log why a clip, given as it was before the attempt, has no tags, unless it was logged.

        If it has tags after all, that is logged, too.
        """
        reason = outcome.reason
        if outcome.state is TagState.WRITTEN:
            self._report_success(clip)
        if reason is None or reason == clip.tag_reason:
            return
        with self._lock:
            self._failed.add(clip.id)
            count = self._count(reason)
        level = logging.WARNING if count <= MOST_WARNINGS else logging.INFO
        fields = {"clip": clip.path, "reason": reason}
        log.log(level, "%s: no tags: %s", clip.path, reason, extra=fields)
        if count == MOST_WARNINGS:
            text = "further files without tags are logged at info only: %s"
            log.warning(text, reason, extra={"reason": reason})

    def remember(self, clip: Clip) -> None:
        """Remember that a file has no tags for a reason that was logged, perhaps long ago."""
        if clip.tag_state in {TagState.PENDING, TagState.NOT_WRITTEN} and clip.tag_reason:
            with self._lock:
                self._failed.add(clip.id)

    def _report_success(self, clip: Clip) -> None:
        with self._lock:
            was_reported = clip.id in self._failed or bool(clip.tag_reason)
            self._failed.discard(clip.id)
        if was_reported:
            log.info("%s: tags written now", clip.path, extra={"clip": clip.path})

    def _count(self, reason: str) -> int:
        """Count a failure, and return how many have this reason; too many if none is to be seen."""
        now = self._clock()
        if abs(now - self._since) > AN_HOUR:
            self._since = now
            self._counts.clear()
        is_known = reason in self._counts or len(self._counts) < MOST_REASONS
        # A read-only file system is usually on purpose.
        if reason == READ_ONLY or not is_known:
            return MOST_WARNINGS + 1
        self._counts[reason] += 1
        return self._counts[reason]
