"""Prints what commands have to say; nothing else in `daemon.cli` writes to stdout or stderr.

Names of files, tags and reasons come from others. Every line of text is escaped, so that none of
them can control a terminal or pretend to be a line of ours. What is made for programs is exact
where a program reads it, and escaped, too, where a terminal does.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from daemon.paths import printable


def say(*lines: str, err: bool = False) -> None:
    """Print lines of text; control characters in them, line breaks too, are escaped."""
    for line in lines:
        click.echo(printable(line), err=err)


def print_json(document: Any) -> None:
    """Print a document as JSON in ASCII, where control characters are always escaped."""
    # DEL is the one that JSON does not escape.
    click.echo(json.dumps(document, indent=2).replace("\x7f", "\\u007f"))


def print_bytes(content: bytes) -> None:
    """Print bytes as they are."""
    click.echo(content, nl=False)


def is_on_terminal() -> bool:
    """Whether stdout is a terminal."""
    return sys.stdout.isatty()
