"""`valenced check`: finds what would fail, before it does."""

from __future__ import annotations

import json
import os
import pwd
import tempfile
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.default_paths import SYSTEM_FILE
from config.settings import FolderSettings
from daemon.cli.options import (
    FORMAT_HELP,
    annotation_folder,
    catalogue_url,
    registry_folder,
    with_settings,
)
from daemon.install.units import UNIT_FOLDER
from daemon.monitoring.preflight import CheckResult, run_checks
from daemon.paths import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.loading import LoadedSettings
    from config.settings import Settings

WORDS = {"ok": "ok", "warn": "warning", "fail": "problem"}


@click.command("check")
@click.option("--user", metavar="NAME", help="Look as this user would; only root may ask for it.")
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help=FORMAT_HELP
)
@with_settings
def command(loaded: LoadedSettings, *, user: str | None, output: str) -> int:
    """Look for what would fail: settings, folders, limits, clock, catalogue, bundle, free space.

    Exit code 1 if anything would.
    """
    if user is not None:
        _load_all(loaded.settings)
    with _as_user(user):
        found = [
            CheckResult("ok", "the settings are valid"),
            *run_checks(
                loaded.settings,
                catalogue_url(loaded),
                registry_folder(loaded),
                annotation_folder(loaded),
                _units(loaded),
            ),
        ]
    if output == "json":
        click.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    else:
        for finding in found:
            click.echo(f"{WORDS[finding.level]:<8} {printable(finding.what)}")
    return 1 if any(finding.level == "fail" for finding in found) else 0


def _units(loaded: LoadedSettings) -> Path | None:
    """Return where the machine's units are, if these settings are those of its service."""
    is_machines = loaded.sources["watch.folder"] == str(SYSTEM_FILE)
    return UNIT_FOLDER if is_machines else None


def _load_all(settings: Settings) -> None:
    """Look at next to nothing, so that all modules are loaded with the rights that we have now.

    The user may not be able to read this installation.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        watch = settings.watch.model_copy(update={"folder": (FolderSettings(path=folder),)})
        little = settings.model_copy(update={"watch": watch})
        for _ in run_checks(little, f"sqlite:///{folder / 'x.db'}", folder, folder):
            pass


@contextmanager
def _as_user(name: str | None) -> Iterator[None]:
    """Have the rights of another user for the time of a block, and no more than those."""
    if name is None:
        yield
        return
    try:
        user = pwd.getpwnam(name)
    except KeyError as error:
        raise click.UsageError(f"--user {printable(name)}: there is no such user") from error
    if os.geteuid() != 0:
        raise click.UsageError("--user: only root can look as another user")
    groups, group = os.getgroups(), os.getegid()
    os.setgroups(os.getgrouplist(name, user.pw_gid))
    os.setegid(user.pw_gid)
    os.seteuid(user.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)
