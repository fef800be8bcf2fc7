"""Prints what commands have to say; nothing else in `daemon.cli` writes to stdout or stderr.

Names of files, tags and reasons come from others. Every line of text is escaped, so that none of
them can control a terminal or pretend to be a line of ours. What is made for programs is exact
where a program reads it, and escaped, too, where a terminal does.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from config.errors import ValencedError
from daemon.cli.standard_streams import STDERR, drop
from daemon.paths import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

_QUIET: Final = "daemon.cli.quiet"


class OutputError(ValencedError):
    """The answer cannot be written to stdout."""

    def __init__(self, reason: str | None) -> None:
        super().__init__(f"stdout: cannot be written: {reason}")


def say(*lines: str, err: bool = False) -> None:
    """Print lines of text; control characters in them, line breaks too, are escaped.

    On stderr nothing is printed with `--quiet`.

    Raises:
        OutputError: stdout cannot be written. If stderr cannot, the lines are dropped.
    """
    if not (err and is_quiet()):
        _print_lines(lines, err=err)


def warn(*lines: str) -> None:
    """Print lines of text to stderr, also with `--quiet`."""
    _print_lines(lines, err=True)


def be_quiet() -> None:
    """Print no messages until the command ends: answers, warnings and errors only."""
    click.get_current_context().meta[_QUIET] = True


def is_quiet() -> bool:
    """Whether the command that runs was called with `--quiet`."""
    context = click.get_current_context(silent=True)
    return context is not None and _QUIET in context.meta


def print_json(document: Any) -> None:
    """Print a document as JSON in ASCII, where control characters are always escaped."""
    # DEL is the one that JSON does not escape.
    _print(json.dumps(document, indent=2).replace("\x7f", "\\u007f") + "\n")


def print_bytes(content: bytes) -> None:
    """Print bytes as they are."""
    _print(content)


def _print_lines(lines: Iterable[str], *, err: bool) -> None:
    for line in lines:
        _print(f"{printable(line)}\n", err=err)


def _print(content: str | bytes, *, err: bool = False) -> None:
    try:
        click.echo(content, nl=False, err=err)
    except OSError as error:
        if err:
            # The command goes on, as its work matters more than its messages.
            drop(STDERR)
        elif isinstance(error, BrokenPipeError):
            raise
        else:
            raise OutputError(error.strerror) from error


def is_on_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()
