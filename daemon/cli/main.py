"""The command `valenced`, and the one place where errors become exit codes."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import click

from config.errors import ValencedError
from daemon.system.journald import is_journal

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERRUPTED = 130
DEBUGGING = "--debug"


@contextmanager
def _readers_may_leave() -> Iterator[None]:
    """End quietly, and with 0, once the reader of our output has seen enough.

    Left to themselves, click and rich make a failure of it.
    """
    try:
        yield
        # What is still held back would otherwise fail where nobody can catch it.
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise _unheard() from error
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            raise _unheard() from end
        raise


def _unheard() -> click.exceptions.Exit:
    # Python would complain once more at exit.
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
"""The folder of each subcommand's module."""


class _Commands(click.Group):
    """Loads a subcommand's module only when that one is called for."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Read the command line; it may ask for help, and that is printed here."""
        with _readers_may_leave():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        with _readers_may_leave():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order in which a newcomer needs them."""
        del ctx
        return list(_FOLDERS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the subcommand of a name."""
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
    """Hear how music and all other sounds feel: calm to energetic, unpleasant to pleasant.

    Watches folders, keeps a catalogue that can be asked for calm or energetic sounds, and
    writes both values into the files' own tags.
    """


def main() -> None:
    """Run the command line and end the process with the promised exit code.

    0 done; 1 failed; 2 wrong usage; 78 wrong settings, or a catalogue of a newer release.
    """
    try:
        code = valenced(standalone_mode=False) or 0
    except click.UsageError as error:
        error.show()
        code = error.exit_code
    except click.exceptions.Exit as error:
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except ValencedError as error:
        if DEBUGGING in sys.argv:
            raise
        _say(str(error))
        code = error.exit_code
    except Exception as error:
        if DEBUGGING in sys.argv:
            raise
        _say(f"unexpected {type(error).__name__}: {error}; run again with --debug for details")
        code = 1
    sys.exit(code)


def _say(text: str) -> None:
    # The journal takes the number for a priority, and the name for granted.
    mark = "<3>" if is_journal(sys.stderr.fileno(), os.environ) else "valenced: "
    for line in text.splitlines():
        click.echo(f"{mark}{line}", err=True)
