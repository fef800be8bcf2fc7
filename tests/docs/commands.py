"""The section of the reference that lists every command and option, made from their help texts."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import click

from daemon.cli.main import valenced
from tests.docs.pages import between

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = {"--config", "--set", "--quiet", "--verbose", "--debug", "--help"}
"""Options of every command."""

BEGIN, END = "<!-- commands: written by make examples -->", "<!-- end of commands -->"


def all_commands() -> dict[str, click.Command]:
    """Return every command that does something, by its whole name."""
    return dict(_leaves(valenced, "valenced"))


def option_names(command: click.Command) -> set[str]:
    """Return the long names of the options that a command takes."""
    return {name for option in _options(command) for name in (*option.opts, *option.secondary_opts)}


def commands_text() -> str:
    """Return the section as Markdown."""
    return "\n\n".join(_section(name, command) for name, command in all_commands().items())


def updated(page: str) -> str:
    """Return the reference with its commands as the program has them."""
    return between(page, BEGIN, END, f"\n{commands_text()}\n\n")


def _leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for inner in command.list_commands(context):
        found = command.get_command(context, inner)
        assert found is not None
        yield from _leaves(found, f"{name} {inner}")


def _options(command: click.Command) -> list[click.Option]:
    parameters = command.get_params(click.Context(command))
    return [each for each in parameters if isinstance(each, click.Option)]


def _section(name: str, command: click.Command) -> str:
    arguments = [_argument(each) for each in command.params if isinstance(each, click.Argument)]
    help_text = inspect.cleandoc(command.help or "")
    lines = [f"### `{' '.join([name, *arguments])}`", "", help_text]
    items = [
        f"* {_spelling(option)}: {option.help}"
        for option in _options(command)
        if not SHARED & {*option.opts}
    ]
    return "\n".join([*lines, "", *items] if items else lines)


def _argument(argument: click.Argument) -> str:
    name = argument.metavar or argument.name or ""
    if argument.metavar is None or isinstance(argument.type, click.Choice):
        name = (argument.name or "").upper()
    name = name.strip("[].")
    several = "..." if argument.nargs < 0 else ""
    return f"{name}{several}" if argument.required else f"[{name}]{several}"


def _spelling(option: click.Option) -> str:
    names = "/".join([*option.opts, *option.secondary_opts])
    if option.is_flag:
        return f"`{names}`"
    if option.metavar is not None:
        value = option.metavar
    elif isinstance(option.type, click.Choice):
        # A choice with - in front only reverses the order.
        choices = [str(choice) for choice in option.type.choices]
        value = "|".join(choice for choice in choices if not choice.startswith("-"))
    elif isinstance(option.type, click.types.IntParamType):
        value = "N"
    else:
        value = option.type.name.upper()
    return f"`{names} {value}`"
