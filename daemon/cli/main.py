"""The command `valenced`, and the only place that turns errors into exit codes."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import click

from config.errors import ValencedError
from daemon.cli.output import say
from daemon.system.journald import is_journal

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERRUPTED = 130
DEBUG_OPTION = "--debug"


@contextmanager
def _exit_quietly_on_closed_output() -> Iterator[None]:
    """Exit with 0 once the reader of our output has closed it, as `head` does.

    Without this, click and rich report a failure.
    """
    try:
        yield
        # Otherwise what is still buffered would fail where nobody can catch it.
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise _closed_output() from error
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            raise _closed_output() from end
        raise


def _closed_output() -> click.exceptions.Exit:
    # Python would write to it once more at exit, and fail.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return click.exceptions.Exit(0)


_FOLDERS: Final = {
    "run": "service",
    "scan": "sounds",
    "query": "sounds",
    "show": "sounds",
    "annotate": "learning",
    "review": "learning",
    "corpus": "learning",
    "train": "learning",
    "evaluate": "learning",
    "tags": "sounds",
    "bundles": "learning",
    "status": "service",
    "retry": "sounds",
    "check": "service",
    "backup": "service",
    "restore": "service",
    "config": "service",
    "install": "service",
    "uninstall": "service",
}
"""The folder of each subcommand's module, in the order in which a newcomer needs them."""


class _Commands(click.Group):
    """Imports the module of a subcommand only when it is called."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the command line; the help is printed here."""
        with _exit_quietly_on_closed_output():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        with _exit_quietly_on_closed_output():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of `_FOLDERS`."""
        del ctx
        return list(_FOLDERS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a subcommand by its name."""
        del ctx
        folder = _FOLDERS.get(cmd_name)
        if folder is None:
            return None
        command: click.Command = import_module(f"daemon.cli.{folder}.{cmd_name}").command
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(version("valenced"), prog_name="valenced")
def valenced() -> None:
    """Predict arousal (calm to energetic) and valence (unpleasant to pleasant) of any sound.

    Watches folders, keeps a searchable catalogue, and writes both values into the files' own tags.
    """


def main() -> None:
    """Run the command line and end the process with an exit code.

    0 done; 1 failed; 2 wrong usage; 78 wrong settings, or a catalogue of a newer release.
    """
    # What is written tells which sounds somebody has, and how they rated them.
    os.umask(0o077)
    try:
        code = valenced(standalone_mode=False) or 0
    except click.UsageError as error:
        _report_usage(error)
        code = error.exit_code
    except click.exceptions.Exit as error:
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except Exception as error:
        if DEBUG_OPTION in sys.argv:
            raise
        code = _report(error)
    sys.exit(code)


def _report_usage(error: click.UsageError) -> None:
    """Print wrong usage as click does, but escaped: it quotes what it could not use."""
    if error.ctx is not None:
        say(*error.ctx.get_usage().split("\n"), err=True)
        say(f"Try '{error.ctx.command_path} {error.ctx.help_option_names[0]}' for help.", err=True)
        say("", err=True)
    say(f"Error: {error.format_message()}", err=True)


def _report(error: Exception) -> int:
    """Print an error in one or more lines, and return its exit code."""
    if isinstance(error, ValencedError):
        code, lines = error.exit_code, error.lines
    else:
        code = 1
        text = f"unexpected {type(error).__name__}: {error}; run again with --debug for details"
        lines = (text,)
    # The journal reads the number as a priority, and adds the program's name itself.
    mark = "<3>" if is_journal(sys.stderr.fileno(), os.environ) else "valenced: "
    say(*(f"{mark}{line}" for line in lines), err=True)
    return code
