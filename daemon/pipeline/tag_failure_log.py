"""Says why files have no tags: each file once, and aloud only the first of many alike."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from daemon.tagging.formats.tag_errors import READ_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from storage.schema.records import Clip, TagOutcome

log = logging.getLogger(__name__)

MOST_ALOUD: Final = 10
"""So many files with one reason are warned of within an hour; the others are told at info."""

MOST_REASONS: Final = 50
"""Of so many different reasons is warned within an hour."""

AN_HOUR: Final = timedelta(hours=1)


class TagFailureLog:
    """What is said of files whose tags could not be written. Safe to use from several threads.

    A folder of fifty thousand files that nobody may write to has one reason. Whoever reads
    warnings is to see it, and whoever asks for one file is to find it, too.

    Args:
        clock: the time, aware of its zone.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._since = clock()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def report(self, clip: Clip, outcome: TagOutcome) -> None:
        """Say why a clip has no tags, unless that was said of it before.

        Args:
            clip: as it was before it was tried.
            outcome: what became of its tags.
        """
        reason = outcome.reason
        if reason is None or reason == clip.tag_reason:
            return
        with self._lock:
            count = self._count(reason)
        level = logging.WARNING if count <= MOST_ALOUD else logging.INFO
        told = {"clip": clip.path, "reason": reason}
        log.log(level, "%s: no tags: %s", clip.path, reason, extra=told)
        if count == MOST_ALOUD:
            text = "more files without tags are told of at info only: %s"
            log.warning(text, reason, extra={"reason": reason})

    def _count(self, reason: str) -> int:
        """Count a file of those with one reason; more than are warned of if it is not to be."""
        now = self._clock()
        if abs(now - self._since) > AN_HOUR:
            self._since = now
            self._counts.clear()
        is_known = reason in self._counts or len(self._counts) < MOST_REASONS
        # Somebody wants it so where it can only be read.
        if reason == READ_ONLY or not is_known:
            return MOST_ALOUD + 1
        self._counts[reason] += 1
        return self._counts[reason]
