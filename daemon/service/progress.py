"""Shows progress: a bar on a terminal, a plain log line now and then elsewhere."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from daemon.wording import counted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

log = logging.getLogger(__name__)

LOG_EVERY_S = 30.0
RATE_OVER_S = 60.0


class ProgressReporter:
    """Shows progress while there is work, and nothing while there is none.

    Args:
        console: where the bar is drawn; None writes plain log lines.
        activity: what is being done.
        unit: what is counted.
        says_when_done: whether to log once that the first work is done.
    """

    def __init__(
        self,
        console: Console | None,
        activity: str = "analysing",
        unit: str = "files",
        *,
        says_when_done: bool = False,
    ) -> None:
        self._says_when_done = says_when_done
        self._activity = activity
        self._unit = unit
        self._console = console
        self._bar: Progress | None = None
        self._marks: deque[tuple[float, int]] = deque()
        self._finished_before = 0

    def show(self, finished: int, waiting: int, now_s: float) -> None:
        """Show how many are finished since the start, failed ones included, and how many wait."""
        if waiting == 0:
            if self._says_when_done and self._marks:
                self._says_when_done = False
                files = counted(finished, self._unit.removesuffix("s"))
                log.info("one pass done: %s; watching for changes", files)
            self.hide()
            return
        if not self._marks:
            self._finished_before = finished
            self._marks.append((now_s, finished))
        done = finished - self._finished_before
        if self._console is not None:
            self._show_bar(self._console, done, waiting)
        elif now_s - self._marks[-1][0] >= LOG_EVERY_S:
            self._log_line(finished, waiting, now_s)

    def hide(self) -> None:
        """Remove the bar until there is work again."""
        self._marks.clear()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _show_bar(self, console: Console, done: int, waiting: int) -> None:
        from rich.progress import (  # noqa: PLC0415 - only a terminal shows a bar
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        if self._bar is None:
            self._bar = Progress(
                TextColumn(self._activity),
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

    def _log_line(self, finished: int, waiting: int, now_s: float) -> None:
        self._marks.append((now_s, finished))
        while len(self._marks) > 2 and now_s - self._marks[0][0] > RATE_OVER_S:  # noqa: PLR2004 - a rate needs two marks
            self._marks.popleft()
        since_s, finished_then = self._marks[0]
        rate = (finished - finished_then) / (now_s - since_s)
        done = finished - self._finished_before
        left = f"{waiting / rate / 60:.0f} min left" if rate else "time left unknown"
        log.info(
            "%d of %d %s, %.1f %s/s, %s", done, done + waiting, self._unit, rate, self._unit, left
        )
