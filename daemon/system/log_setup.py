"""Sets up logging; escapes control characters, so that a file name cannot fake a log line."""

from __future__ import annotations

import logging
import sys
import traceback
from functools import cache
from typing import TYPE_CHECKING, Any

from daemon.paths import printable
from daemon.system.journald import JournalHandler, is_journal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console


@cache
def terminal() -> Console | None:
    """Return the terminal that stderr leads to, None if it leads to none."""
    if not sys.stderr.isatty():
        return None
    from rich.console import Console  # noqa: PLC0415 - most commands do without it

    return Console(stderr=True, highlight=False, soft_wrap=True)


class _OneLine(logging.Formatter):
    """Escapes characters of file names that would break a line or control a terminal.

    At the level `debug` a traceback follows; at others only its last line is appended.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class names it
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the base class names it
        return "\n".join(map(printable, super().formatException(ei).split("\n")))

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info and not logging.getLogger().isEnabledFor(logging.DEBUG):
            kind, error, _ = record.exc_info
            last = "".join(traceback.format_exception_only(kind, error)).strip()
            fields = {"msg": f"{record.getMessage()}: {last}", "args": (), "exc_info": None}
            record = logging.makeLogRecord(record.__dict__ | fields)
        return super().format(record)


def start_logging(level: str, environment: Mapping[str, str]) -> None:
    """Log from a level on: to the journal if the environment says that stderr leads there.

    Otherwise to stderr; on a terminal the lines go above the progress bar.
    """
    handler: logging.Handler
    line = "%(message)s"
    if is_journal(sys.stderr.fileno(), environment):
        handler = JournalHandler()
    elif (console := terminal()) is not None:
        from rich.logging import RichHandler  # noqa: PLC0415 - as above

        handler = RichHandler(
            console=console, show_path=False, markup=False, log_time_format="%H:%M:%S"
        )
    else:
        handler = logging.StreamHandler(sys.stderr)
        line = "%(asctime)s %(levelname)s %(message)s"
    handler.setFormatter(_OneLine(line))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Their info lines are about their own internals.
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    logging.getLogger("watchdog").setLevel(logging.WARNING)


def change_level(before: str, after: str) -> None:
    """Log from another level on, unless an option has overridden the setting before."""
    root = logging.getLogger()
    if root.level == logging.getLevelNamesMapping()[before.upper()]:
        root.setLevel(after.upper())
