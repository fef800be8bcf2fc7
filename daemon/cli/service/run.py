"""`valenced run`: the service, in the foreground."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.errors import SettingsError
from config.settings import FolderSettings
from daemon.cli.options import (
    annotation_folder,
    catalogue_url,
    corpus_folder,
    log_warnings,
    registry_folder,
    with_settings,
)
from daemon.service.app import run
from daemon.service.run_config import RunConfig, with_real_path
from daemon.service.scheduler import cron_trigger
from daemon.system.log_setup import terminal
from daemon.system.sd_notify import Notifier
from daemon.watch.file_filter import FileFilter
from daemon.watch.symlinks import with_targets
from storage.database.engine import file_of

if TYPE_CHECKING:
    from config.loading import LoadedSettings


@click.command("run")
@click.argument(
    "folders",
    metavar="[DIR]...",
    nargs=-1,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--no-tags", is_flag=True, help="Write nothing into the files.")
@with_settings
def command(loaded: LoadedSettings, folders: tuple[Path, ...], *, no_tags: bool) -> None:
    """Watch the DIRs, and the folders of the settings, until stopped.

    What is in them already is heard first. Ctrl-C finishes what is in hand and ends.
    """
    console = terminal if terminal.is_terminal else None
    plan = _plan(loaded, folders, tags=not no_tags)
    _say_what_will_happen(plan)
    outcome = run(
        plan,
        console=console,
        ready=lambda: _say_ready(plan),
        notifier=Notifier.of(os.environ),
        # In a terminal SIGHUP means that this was closed.
        read_config=None
        if console
        else lambda: _plan(log_warnings(loaded.reload()), folders, tags=not no_tags),
    )
    terminal.print(f"stopped: {outcome.processed} files taken in, {outcome.failed} put off")


def _plan(loaded: LoadedSettings, folders: tuple[Path, ...], *, tags: bool) -> RunConfig:
    """Make the plan of the folders that were named and of the settings.

    Raises:
        SettingsError: they name no folder, or hold what cannot be understood.
    """
    named = (FolderSettings(path=folder.absolute()) for folder in folders)
    every = [with_real_path(folder) for folder in (*named, *loaded.settings.watch.folder)]
    # One that is named twice is watched once, in the way of the settings.
    watched = list({folder.path: folder for folder in every}.values())
    watch = loaded.settings.watch
    if watch.follow_links:
        watched = with_targets(watched, FileFilter(watch.suffixes, watch.ignore))
    if not watched:
        raise SettingsError(
            ["watch.folder: nothing to watch; name a folder: valenced run DIR, or set it"]
        )
    if loaded.settings.retrain.schedule:
        cron_trigger(loaded.settings.retrain.schedule)
    return RunConfig(
        settings=loaded.settings,
        url=catalogue_url(loaded),
        registry=registry_folder(loaded),
        annotations=annotation_folder(loaded),
        corpora=corpus_folder(loaded),
        folders=watched,
        tags=tags,
    )


def _say_what_will_happen(plan: RunConfig) -> None:
    tags = plan.settings.tags
    if not plan.tags or tags.mode == "none":
        terminal.print("No tags will be written; the files stay as they are.")
    elif tags.mode == "sidecar":
        terminal.print("A small JSON file will be written beside each sound.")
    else:
        terminal.print(
            "Arousal and valence will be written into the tags of each file.\n"
            "  without:  valenced run --no-tags    (make run TAGS=no)\n"
            "  undo:     valenced tags restore DIR"
        )


def _say_ready(plan: RunConfig) -> None:
    for folder in plan.folders:
        terminal.print(f"watching {folder.path}", markup=False)
    terminal.print(f"catalogue {file_of(plan.url)}", markup=False)
