"""`valenced uninstall`: removes what `valenced install` created, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.options import with_settings
from daemon.cli.output import say
from daemon.cli.service.install import ROOT_HELP

if TYPE_CHECKING:
    from config.loading import LoadedSettings


@click.command("uninstall")
@click.option("--user", is_flag=True, help="Uninstall the service of this user (systemctl --user).")
@click.option("--root", type=click.Path(file_okay=False, path_type=Path), help=ROOT_HELP)
@with_settings
def command(loaded: LoadedSettings, *, user: bool, root: Path | None) -> None:
    """Stop the service, remove its units and man pages; keep catalogue, settings and tags."""
    from daemon.install.installer import (
        installed_paths,
        reload_systemd,
        remove_file,
        stop_service,
        user_config_folder,
    )
    from daemon.install.shared_files import MACHINE_DATA, data_folder, remove_links

    del loaded
    configuration = user_config_folder(os.environ) if user else None
    if root is None:
        stop_service(configuration)
    had_units = False
    for path in installed_paths(configuration):
        for line in remove_file(path, root or Path("/")):
            had_units = True
            say(line, err=True)
    data = data_folder(os.environ) if user else MACHINE_DATA
    if count := remove_links(data, root or Path("/")):
        say(f"removed {count} man pages and completions", err=True)
    # After `install --no-service`, there may be no systemd.
    if root is None and had_units:
        reload_systemd(user=user, makes_user=False)
    if not had_units and not count:
        other = "valenced uninstall" + " --user" * (not user)
        whose = "of the machine" if user else "of a user"
        say(f"nothing is installed here; to remove the service {whose}: {other}", err=True)
    say("catalogue and settings are kept", err=True)
