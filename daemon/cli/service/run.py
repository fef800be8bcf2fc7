"""`valenced run`: runs the service in the foreground."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.errors import SettingsError
from daemon.cli.options import with_settings
from daemon.cli.output import say
from daemon.cli.session import log_warnings, progress_terminal, require_schedule, run_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from config.loading import LoadedSettings
    from daemon.service.run_config import RunConfig


@click.command("run")
@click.argument(
    "folders",
    metavar="[DIR]...",
    nargs=-1,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--no-tags", is_flag=True, help="Write no tags.")
@with_settings
def command(loaded: LoadedSettings, folders: tuple[Path, ...], *, no_tags: bool) -> None:
    """Watch the DIRs and the folders of the settings until stopped.

    Files already in them are analysed first. Ctrl-C finishes the files in progress and stops.
    """
    from daemon.service.app import run
    from daemon.system.log_setup import terminal
    from daemon.system.sd_notify import Notifier

    console = terminal()
    config = _run_config(loaded, folders, tags=not no_tags)
    _announce_tags(config)
    result = run(
        config,
        console=progress_terminal(),
        ready=partial(_announce_folders, config),
        notifier=Notifier.of(os.environ),
        # In a terminal, SIGHUP means that it was closed.
        read_config=None
        if console
        else lambda: _run_config(log_warnings(loaded.reload()), folders, tags=not no_tags),
    )
    say(f"stopped: {result.processed} processed, {result.failed} failed", err=True)


def _run_config(loaded: LoadedSettings, folders: tuple[Path, ...], *, tags: bool) -> RunConfig:
    """Return the configuration that the given folders and the settings make.

    Raises:
        SettingsError: there is no folder, or the schedule is invalid.
    """
    from config.settings import FolderSettings
    from daemon.service.run_config import with_real_path

    named = (FolderSettings(path=folder.absolute()) for folder in folders)
    every = [with_real_path(folder) for folder in (*named, *loaded.settings.watch.folder)]
    # A folder that is named twice is watched once, with the mode of the settings.
    watched = list({folder.path: folder for folder in every}.values())
    if not watched:
        raise SettingsError(
            ["watch.folder: nothing to watch; name a folder (valenced run DIR), or set it"]
        )
    require_schedule(loaded)
    return run_config(loaded, watched, tags=tags)


def _announce_tags(config: RunConfig) -> None:
    tags = config.settings.tags
    if not config.tags or tags.mode == "none":
        say("No tags will be written; the files stay unchanged.", err=True)
    elif tags.mode == "sidecar":
        say("A small JSON file will be written next to each sound file.", err=True)
    else:
        say(
            "Arousal and valence will be written into the tags of each file.",
            "  without:  valenced run --no-tags    (make run TAGS=no; setting: tags.mode)",
            "  undo:     valenced tags restore DIR",
            err=True,
        )


def _announce_folders(config: RunConfig, watched: Sequence[Path]) -> None:
    from storage.database.catalogue_file import place_of

    say(*(f"watching {path}" for path in watched), f"catalogue {place_of(config.url)}", err=True)
