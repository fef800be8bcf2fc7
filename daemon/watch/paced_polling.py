"""Polls folders, at most for a tenth of a core: of a large one a poll takes seconds."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

from watchdog.observers.api import BaseObserver
from watchdog.observers.polling import PollingEmitter

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_S: Final = 10.0
REST_PER_WORK: Final = 9.0


class PacedEmitter(PollingEmitter):
    """Polls a folder, and rests for nine times the processor time that the last poll took."""

    def __init__(
        self, *args: Any, processor_s: Callable[[], float] = time.thread_time, **options: Any
    ) -> None:
        # lstat and scandir follow no links, which may lead out of the folder or in circles.
        super().__init__(*args, stat=os.lstat, listdir=os.scandir, **options)
        self._processor_s = processor_s
        self._rest_s = 0.0

    def queue_events(self, timeout: float) -> None:
        """Wait `timeout` seconds or longer, then report what has changed."""
        began_s = self._processor_s()
        super().queue_events(max(timeout, self._rest_s))
        self._rest_s = REST_PER_WORK * (self._processor_s() - began_s)


class PollingObserver(BaseObserver):
    """Polls folders every ten seconds, or as often as costs a tenth of a core."""

    def __init__(self) -> None:
        super().__init__(PacedEmitter, timeout=POLL_S)
