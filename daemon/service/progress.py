"""Tells a person how far the work is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from daemon.pipeline.stages import FileResult

if TYPE_CHECKING:
    from rich.console import Console

log = logging.getLogger(__name__)

PLAIN_LINE_EVERY_S = 30.0
RATE_OVER_S = 60.0


class Tally:
    """Counts files as they are finished. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.done = 0
        self.failed = 0

    def count(self, fate: FileResult) -> None:
        """Count one file; one that was set aside will be counted when it comes again."""
        with self._lock:
            if fate is FileResult.TAKEN_IN:
                self.done += 1
            elif fate is not FileResult.SET_ASIDE:
                self.failed += 1

    @property
    def attended(self) -> int:
        """Number of files that were tried."""
        return self.done + self.failed


class ProgressReporter:
    """Shows a tally while there is work, and is silent while there is none.

    Args:
        tally: what is shown.
        console: where; None shows plain log lines.
        doing: what the work is.
        unit: what is counted.

    Attributes:
        tally: what is shown.
    """

    def __init__(
        self, tally: Tally, console: Console | None, doing: str = "hearing", unit: str = "files"
    ) -> None:
        self.tally = tally
        self._doing = doing
        self._unit = unit
        self._console = console
        self._bar: Progress | None = None
        self._marks: deque[tuple[float, int]] = deque()
        self._started_at = 0

    def show(self, waiting: int, now_s: float) -> None:
        """Show how far the work is.

        Args:
            waiting: files that are due or in hand.
            now_s: the monotonic clock.
        """
        attended = self.tally.attended
        if waiting == 0:
            self.rest()
            return
        if not self._marks:
            self._started_at = attended
            self._marks.append((now_s, attended))
        done = attended - self._started_at
        if self._console is not None:
            self._show_bar(self._console, done, waiting)
        elif now_s - self._marks[-1][0] >= PLAIN_LINE_EVERY_S:
            self._log_line(done, waiting, now_s)

    def rest(self) -> None:
        """Take the bar away until there is work again."""
        self._marks.clear()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _show_bar(self, console: Console, done: int, waiting: int) -> None:
        if self._bar is None:
            self._bar = Progress(
                TextColumn(self._doing),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=console,
                transient=True,
                auto_refresh=False,
                speed_estimate_period=RATE_OVER_S,
            )
            self._bar.start()
            self._bar.add_task("", total=None, rate="")
        task = self._bar.tasks[0]
        rate = f"{task.speed:.1f} {self._unit}/s" if task.speed else ""
        self._bar.update(task.id, completed=done, total=done + waiting, rate=rate, refresh=True)

    def _log_line(self, done: int, waiting: int, now_s: float) -> None:
        self._marks.append((now_s, self.tally.attended))
        while len(self._marks) > 2 and now_s - self._marks[0][0] > RATE_OVER_S:  # noqa: PLR2004 - a rate needs two marks
            self._marks.popleft()
        then_s, then = self._marks[0]
        rate = (self.tally.attended - then) / (now_s - then_s)
        left = f"{waiting / rate / 60:.0f} min left" if rate else "time left unknown"
        log.info(
            "%d of %d %s, %.1f %s/s, %s", done, done + waiting, self._unit, rate, self._unit, left
        )
