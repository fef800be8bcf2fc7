"""Groups of commands that import a command only when it is called, and cut no help text."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from daemon.cli.output import OutputError
from daemon.cli.standard_streams import STDOUT, drop

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS: Final = {
    "run": ("service", "Watch folders until stopped."),
    "scan": ("sounds", "Analyse new files once, then stop."),
    "query": ("sounds", "Find sounds by mood, by range of values, or by similarity."),
    "show": ("sounds", "Show everything that is known of one file."),
    "annotate": ("learning", "Record a person's values for sounds."),
    "annotations": ("learning", "List, export and import people's values."),
    "review": ("learning", "Play the sounds whose annotation would help most, and ask for it."),
    "corpus": ("learning", "Import, list and remove rated data sets to train on."),
    "train": ("learning", "Train on annotations and imported corpora now."),
    "evaluate": ("learning", "Run experiments on corpora, and write a report with figures."),
    "tags": ("sounds", "Show, write, remove or restore the tags in the files themselves."),
    "bundles": ("learning", "Show, publish and roll back bundles."),
    "page": ("service", "Serve the page of the catalogue: a map of its sounds."),
    "status": ("service", "Show the state of the service and of its catalogue."),
    "retry": ("sounds", "Retry failed analyses and tag writes."),
    "check": ("service", "Find problems before they stop the service."),
    "backup": ("service", "Write catalogue, bundles and corpora into one file."),
    "restore": ("service", "Replace catalogue, bundles and corpora by those of a backup."),
    "catalogue": ("service", "Copy the catalogue to another database."),
    "config": ("service", "Make, edit and show the settings."),
    "install": ("service", "Install the systemd units, man pages and completions."),
    "uninstall": ("service", "Stop the service, and remove its units and man pages."),
}
"""Folder and summary of each command's module, in the order in which a newcomer needs them."""


_MODULES: Final = {"annotations": "annotation_tables", "catalogue": "catalogue_database"}
"""Modules that are not called as their commands, since another module has that name."""


class CommandGroup(click.Group):
    """A group whose commands are listed with whole sentences."""

    def summaries(self, ctx: click.Context) -> dict[str, str]:
        """Return the names of its commands, each with one sentence about it."""
        found = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        longest = 1000
        return {
            name: each.get_short_help_str(longest)
            for name, each in found.items()
            if each is not None
        }

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the section about the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries(ctx).items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the names of commands, or the options, that begin so."""
        names = [
            CompletionItem(name, help=summary)
            for name, summary in self.summaries(ctx).items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)


class MainGroup(CommandGroup):
    """The group of all commands; imports the module of a command only when it is called."""

    def summaries(self, ctx: click.Context) -> dict[str, str]:
        """Return the names of all commands, each with one sentence about it."""
        del ctx
        return {name: summary for name, (_, summary) in COMMANDS.items()}

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the command line; the help is printed here."""
        with _exit_quietly_on_closed_output():
            try:
                return super().make_context(*args, **extra)
            except BrokenPipeError:
                raise
            except OSError as error:
                raise OutputError(error.strerror) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand."""
        with _exit_quietly_on_closed_output():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of `COMMANDS`."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        folder, _ = COMMANDS[cmd_name]
        module = _MODULES.get(cmd_name, cmd_name)
        command: click.Command = import_module(f"daemon.cli.{folder}.{module}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name; for an unknown name, say the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(
                error.command_name, possibilities=COMMANDS, ctx=ctx
            ) from error


@contextmanager
def _exit_quietly_on_closed_output() -> Iterator[None]:
    """Exit with 0 once the reader of our output has closed it, as `head` does.

    Without this, click reports a failure.
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
    drop(STDOUT)
    return click.exceptions.Exit(0)
