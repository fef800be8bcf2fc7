"""The command `valenced`, and the only place that turns errors into exit codes."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from config.errors import ValencedError
from daemon.cli.command_groups import MainGroup
from daemon.cli.options import settings_options
from daemon.cli.output import OutputError, say
from daemon.cli.standard_streams import flush_streams, prepare_streams, require_utf8_names

INTERRUPTED = 130
DEBUG_OPTION = "--debug"


@click.group(
    cls=MainGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="valenced", prog_name="valenced")
@settings_options
def valenced(**_: Any) -> None:
    """Predict arousal (calm to energetic) and valence (unpleasant to pleasant) of any sound.

    Watches folders, keeps a searchable catalogue, and writes both values into the files' own tags.
    """


def main() -> None:
    """Run the command line and end the process with an exit code.

    0 done; 1 failed; 2 wrong usage; 78 wrong settings, or a catalogue of a newer release.
    """
    require_utf8_names()
    prepare_streams()
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
    if problem := flush_streams():
        code = _report(OutputError(problem))
    sys.exit(code)


def _report_usage(error: click.UsageError) -> None:
    """Print wrong usage as click does, but escaped: it quotes what it could not use."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        # The message is the whole help, and quotes nothing.
        say(*error.format_message().split("\n"), err=True)
        return
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
    from daemon.system.journald import is_journal

    # The journal reads the number as a priority, and adds the program's name itself.
    mark = "<3>" if is_journal(sys.stderr.fileno(), os.environ) else "valenced: "
    say(*(f"{mark}{line}" for line in lines), err=True)
    return code
