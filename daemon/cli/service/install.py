"""`valenced install`: installs units, man pages and completions of this environment."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.options import with_settings
from daemon.cli.output import say, warn

if TYPE_CHECKING:
    from config.loading import LoadedSettings

ROOT_HELP = "Use this folder instead of /, and leave the running system alone."


@click.command("install")
@click.option("--user", is_flag=True, help="Install for this user only (systemctl --user).")
@click.option("--no-service", is_flag=True, help="Install man pages and completions only.")
@click.option("--dry-run", is_flag=True, help="Show the files; install nothing.")
@click.option("--root", type=click.Path(file_okay=False, path_type=Path), help=ROOT_HELP)
@with_settings
def command(
    loaded: LoadedSettings, *, user: bool, no_service: bool, dry_run: bool, root: Path | None
) -> None:
    """Install the systemd units, so that the service starts with the machine, and the man pages.

    The man pages, and the completions of bash, zsh and fish, are links into this environment. Run
    it again after an upgrade, and when watched folders or page.listen change.
    """
    from daemon.install.shared_files import MACHINE_DATA, data_folder, links, make_links

    # First what can be refused: then nothing is left behind.
    if not no_service:
        _install_service(loaded, user=user, dry_run=dry_run, root=root)
    prefix = root or Path("/")
    found = links(data_folder(os.environ) if user else MACHINE_DATA)
    if dry_run:
        say(*(f"# {prefix / link.relative_to('/')} -> {file}" for link, file in found.items()))
    else:
        for left in make_links(found, prefix):
            warn(left)
        if found:
            say(f"linked {len(found)} man pages and completions", err=True)


def _install_service(
    loaded: LoadedSettings, *, user: bool, dry_run: bool, root: Path | None
) -> None:
    from daemon.install.installer import (
        install_file,
        reload_systemd,
        remove_file,
        user_config_folder,
    )
    from daemon.install.socket_unit import SOCKET
    from daemon.install.units import UNIT_FOLDER, machine_files, user_files

    program = Path(sysconfig.get_path("scripts"), "valenced")
    files = list(
        user_files(user_config_folder(os.environ), loaded.settings, program)
        if user
        else machine_files(loaded.settings, program)
    )
    prefix = root or Path("/")
    for file in files:
        if dry_run:
            say(f"# {prefix / file.path.relative_to('/')}", *file.text.split("\n"))
        else:
            say(f"created {install_file(file, prefix)}", err=True)
    if dry_run:
        return
    if not user and all(file.path != UNIT_FOLDER / SOCKET for file in files):
        # Of settings that listened.
        for report in remove_file(UNIT_FOLDER / SOCKET, prefix):
            say(report, err=True)
    if root is None:
        reload_systemd(user=user)
    if not loaded.settings.watch.folder:
        name = "~/.config/valenced" if user else "/etc/valenced"
        again = "" if user else " and run valenced install again"
        say(f"no folder is configured yet: add one to {name}/valenced.toml{again}", err=True)
    scope = " --user" if user else ""
    say("next:", f"  systemctl{scope} enable --now valenced", err=True)
    say(f"  systemctl{scope} restart valenced    (if it is running)", err=True)
    if user:
        say("  loginctl enable-linger    (to run it while you are logged out)", err=True)
    say(f"  journalctl{scope} -fu valenced", err=True)
