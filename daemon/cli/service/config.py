"""`valenced config`: shows the settings and where each came from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.command_groups import CommandGroup
from daemon.cli.options import format_option, settings_options, with_settings
from daemon.cli.output import print_json, say
from daemon.cli.session import catalogue_url

if TYPE_CHECKING:
    from config.loading import LoadedSettings


@click.group("config", cls=CommandGroup)
@settings_options
def command(**_: Any) -> None:
    """Show the settings."""


@command.command("show")
@format_option
@with_settings
def show(loaded: LoadedSettings, *, output: str) -> None:
    """Show every setting, its value, and where it came from."""
    values = loaded.settings.model_dump(mode="json")
    rows = {}
    for key in loaded.sources:
        section, _, name = key.rpartition(".")
        rows[key] = (values[section] if section else values)[name]
    if output == "json":
        report = {key: {"value": rows[key], "source": loaded.sources[key]} for key in rows}
        print_json(report)
        return
    for key, value in rows.items():
        say(f"{key} = {json.dumps(value)}  # {loaded.sources[key]}")


@command.command("path")
@with_settings
def path(loaded: LoadedSettings) -> None:
    """Show the paths of the settings files, and of the catalogue."""
    from storage.database.catalogue_file import file_of

    for file in loaded.paths.settings_files:
        say(f"settings   {file}{'' if file.is_file() else '  (absent)'}")
    say(f"catalogue  {file_of(catalogue_url(loaded))}")
