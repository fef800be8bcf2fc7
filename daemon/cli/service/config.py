"""`valenced config`: the settings in force and where each came from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.options import FORMAT_HELP, catalogue_url, with_settings
from storage.database.engine import file_of

if TYPE_CHECKING:
    from config.loading import LoadedSettings


@click.group("config")
def command() -> None:
    """Show the settings in force."""


@command.command("show")
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help=FORMAT_HELP
)
@with_settings
def show(loaded: LoadedSettings, *, output: str) -> None:
    """Print every setting, its value, and where it came from."""
    values = loaded.settings.model_dump(mode="json")
    rows = {key: _value(values, key) for key in loaded.sources}
    if output == "json":
        report = {key: {"value": rows[key], "source": loaded.sources[key]} for key in rows}
        click.echo(json.dumps(report, indent=2))
        return
    for key, value in rows.items():
        click.echo(f"{key} = {json.dumps(value)}  # {loaded.sources[key]}")


@command.command("path")
@with_settings
def path(loaded: LoadedSettings) -> None:
    """Print the settings files that are looked for, and the catalogue."""
    for file in loaded.paths.settings_files:
        click.echo(f"settings   {file}{'' if file.is_file() else '  (absent)'}")
    click.echo(f"catalogue  {file_of(catalogue_url(loaded))}")


def _value(values: dict[str, Any], key: str) -> Any:
    section, _, name = key.rpartition(".")
    return values[section][name]
