"""What goes to stderr: readable lines, no file name able to forge one."""

from __future__ import annotations

import logging
import sys

from rich.console import Console
from rich.logging import RichHandler

from daemon.spelling import printable

terminal = Console(stderr=True, highlight=False, soft_wrap=True)


class _OneLine(logging.Formatter):
    """Escapes what a file name may hold that would break a line or steer a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class names it
        record.message = printable(record.message)
        return super().formatMessage(record)


def start_logging(level: str) -> None:
    """Send log lines to stderr, above the progress bar where that is a terminal."""
    handler: logging.Handler
    if terminal.is_terminal:
        handler = RichHandler(
            console=terminal, show_path=False, markup=False, log_time_format="%H:%M:%S"
        )
        handler.setFormatter(_OneLine("%(message)s"))
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Its own log is about its own clockwork, at a level that means something else there.
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    logging.getLogger("watchdog").setLevel(logging.WARNING)
