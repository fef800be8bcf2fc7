"""Stdin, stdout and stderr as a command finds them: closed, full, or in an old encoding."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import Final

STDIN, STDOUT, STDERR = 0, 1, 2
_NAMES: Final = {STDIN: "stdin", STDOUT: "stdout", STDERR: "stderr"}
_SPELLED: Final = "spelled"
_ASCII: Final = {"±": "+/-", "…": "...", "—": "-"} | dict(zip("▁▂▃▄▅▆▇█", "12345678", strict=True))
"""Our own signs that an encoding may lack, and what stands for them."""


def require_utf8_names() -> None:
    """Start again in Python's UTF-8 mode where the locale has another encoding.

    The names in the catalogue and in the settings are UTF-8, whatever the terminal can show. In
    another encoding the same bytes would be other names.
    """
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        os.environ["PYTHONUTF8"] = "1"  # for the workers
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - the same command again


def prepare_streams() -> None:
    """Open what is closed, and let no text be refused by the encoding of a terminal.

    A file that is opened later would otherwise take the place of the closed stream, and our
    messages would be written into it. Messages for a closed stderr are dropped. Writing to a
    closed stdout fails, since the answer of the command would be lost.
    """
    for descriptor, name in _NAMES.items():
        if getattr(sys, name) is None:
            _open_nothing(descriptor, os.O_WRONLY if descriptor == STDERR else os.O_RDONLY)
            mode = "w" if descriptor else "r"
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8"))
    codecs.register_error(_SPELLED, _spell)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper):
            continue
        encoding = None
        if sys.flags.utf8_mode and "PYTHONIOENCODING" not in os.environ:
            encoding = _terminal_encoding()
        stream.reconfigure(encoding=encoding, errors=_SPELLED)


def drop(descriptor: int) -> None:
    """Send what is still to be written there nowhere: Python would fail at it once more."""
    _open_nothing(descriptor, os.O_WRONLY)


def flush_streams() -> str | None:
    """Write what is still buffered; return why stdout cannot be written, None if it was."""
    problem = None
    for stream, descriptor in ((sys.stdout, STDOUT), (sys.stderr, STDERR)):
        try:
            stream.flush()
        except OSError as error:
            drop(descriptor)
            if descriptor == STDOUT and not isinstance(error, BrokenPipeError):
                problem = error.strerror
    return problem


def _open_nothing(descriptor: int, mode: int) -> None:
    opened = os.open(os.devnull, mode)
    if opened != descriptor:
        os.dup2(opened, descriptor)
        os.close(opened)
    os.set_inheritable(descriptor, True)


def _terminal_encoding() -> str | None:
    """Return the encoding of the locale, None if it is UTF-8, or ASCII because none was chosen."""
    import locale

    encoding = codecs.lookup(locale.getencoding()).name
    return None if encoding in {"utf-8", "ascii"} else encoding


def _spell(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeEncodeError):
        text = error.object[error.start : error.end]
        if all(sign in _ASCII for sign in text):
            return "".join(_ASCII[sign] for sign in text), error.end
    return codecs.backslashreplace_errors(error)
