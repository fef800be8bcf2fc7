"""`valenced config`: makes and edits a settings file, shows the settings and their sources."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.cli.command_groups import CommandGroup
from daemon.cli.options import format_option, settings_options, take_settings, with_settings
from daemon.cli.output import print_json, say
from daemon.cli.session import catalogue_url

if TYPE_CHECKING:
    from config.loading import LoadedSettings


@click.group("config", cls=CommandGroup)
@settings_options
def command(**_: Any) -> None:
    """Make, edit and show the settings."""


@command.command("init")
@click.argument(
    "folders",
    metavar="[DIR]...",
    nargs=-1,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@settings_options
def init(*, folders: tuple[Path, ...], **shared: Any) -> None:
    """Write a settings file with every setting as a comment, which watches the DIRs.

    It is the one that --config names, else the machine's for root, else your own. A file that
    exists is never replaced.
    """
    from config.defaults import settings_template
    from daemon.cli.service.settings_file import create, folder_tables, new_file
    from daemon.paths import canonical_path

    file = take_settings(shared).file or new_file(os.environ)
    create(file, settings_template() + folder_tables([*map(canonical_path, folders)]))
    say(f"created {file}", "next: valenced config edit, then valenced check", err=True)


@command.command("edit")
@settings_options
def edit(**shared: Any) -> None:
    """Open the settings file in an editor, and replace it only if the new settings are valid.

    The editor is that of $VISUAL or $EDITOR. It opens a copy; if that has errors, you may correct
    them. Where there is no settings file yet, one is written.
    """
    from config.defaults import settings_template
    from daemon.cli.service import settings_file

    file = take_settings(shared).file or settings_file.file_in_force(os.environ)
    if settings_file.edit(file, settings_template(), os.environ):
        systemctl = "systemctl" if file.is_relative_to("/etc") else "systemctl --user"
        say(
            f"changed {file}; to have a service read it again: {systemctl} reload valenced",
            err=True,
        )
    else:
        say(f"{file} stays as it was", err=True)


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
        # As in a settings file, where an empty text stands for what is not set.
        say(f"{key} = {json.dumps('' if value is None else value)}  # {loaded.sources[key]}")


@command.command("path")
@with_settings
def path(loaded: LoadedSettings) -> None:
    """Show the paths of the settings files, and of the catalogue."""
    from storage.database.catalogue_file import place_of

    for file in loaded.paths.settings_files:
        say(f"settings   {file}{'' if file.is_file() else '  (absent)'}")
    say(f"catalogue  {place_of(catalogue_url(loaded))}")
