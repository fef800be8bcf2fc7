"""Decides when a single pass has waited long enough."""

from __future__ import annotations

from typing import Final

LONGEST_PATIENCE_S: Final = 60.0


class SinglePass:
    """Decides when a single pass has waited long enough for files that keep changing."""

    def __init__(self, settle_s: float) -> None:
        self._patience_s = settle_s + min(9 * settle_s, LONGEST_PATIENCE_S)
        self._attempts = -1
        self._progress_at_s = 0.0

    def is_overdue(self, attempts: int, waiting: int, now_s: float) -> bool:
        """Whether no attempt ended for too long by the monotonic clock, and no file is waiting."""
        if attempts != self._attempts:
            self._attempts, self._progress_at_s = attempts, now_s
        return not waiting and now_s - self._progress_at_s > self._patience_s
