"""What goes to stderr or the journal: readable lines, no file name able to forge one."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TYPE_CHECKING

from rich.console import Console
from rich.logging import RichHandler

from daemon.paths import printable
from daemon.system.journald import JournalHandler, is_journal

if TYPE_CHECKING:
    from collections.abc import Mapping

terminal = Console(stderr=True, highlight=False, soft_wrap=True)


class _OneLine(logging.Formatter):
    """Escapes what a file name may hold that would break a line or steer a terminal.

    A traceback follows only where everything is logged; elsewhere its last line is joined on.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class names it
        record.message = printable(record.message)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info and not logging.getLogger().isEnabledFor(logging.DEBUG):
            kind, error, _ = record.exc_info
            last = "".join(traceback.format_exception_only(kind, error)).strip()
            told = {"msg": f"{record.getMessage()}: {last}", "args": (), "exc_info": None}
            record = logging.makeLogRecord(record.__dict__ | told)
        return super().format(record)


def start_logging(level: str, environment: Mapping[str, str]) -> None:
    """Send log lines to the journal if stderr leads there, else to stderr.

    On a terminal they go above the progress bar.

    Args:
        level: the least that is logged, as in `log.level`.
        environment: tells whether stderr leads to the journal.
    """
    handler: logging.Handler
    if is_journal(sys.stderr.fileno(), environment):
        handler = JournalHandler()
        handler.setFormatter(_OneLine("%(message)s"))
    elif terminal.is_terminal:
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


def change_level(before: str, after: str) -> None:
    """Log from another level on, unless it was not the setting that chose the one before."""
    root = logging.getLogger()
    if root.level == logging.getLevelNamesMapping()[before.upper()]:
        root.setLevel(after.upper())
