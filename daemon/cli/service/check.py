"""`valenced check`: finds problems before they stop the service."""

from __future__ import annotations

import os
import pwd
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from config.default_paths import SYSTEM_FILE
from daemon.cli.options import format_option, with_settings
from daemon.cli.output import print_json, say
from daemon.cli.session import annotation_folder, catalogue_url, other_catalogue
from daemon.paths import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.loading import LoadedSettings
    from config.settings import Settings

WORDS = {"ok": "ok", "warn": "warning", "fail": "problem"}


@click.command("check")
@click.option("--user", metavar="NAME", help="Check with this user's rights; only root can.")
@format_option
@with_settings
def command(loaded: LoadedSettings, *, user: str | None, output: str) -> int:
    """Check settings, folders, limits, clock, catalogue, bundle and free space for problems.

    Exit code 1 if there is a problem.
    """
    from daemon.monitoring.catalogue_preflight import CheckResult
    from daemon.monitoring.preflight import run_checks

    if hint := other_catalogue(loaded, ask="check"):
        say(hint, err=True)
    if user is not None:
        _import_everything(loaded.settings)
    with _as_user(user):
        found = [
            CheckResult("ok", "the settings are valid"),
            *run_checks(
                loaded.settings,
                catalogue_url(loaded),
                loaded.paths.bundles,
                annotation_folder(loaded),
                _units(loaded),
            ),
        ]
    if output == "json":
        print_json([asdict(finding) for finding in found])
    else:
        for finding in found:
            say(f"{WORDS[finding.level]:<8} {finding.what}")
    return 1 if any(finding.level == "fail" for finding in found) else 0


def _units(loaded: LoadedSettings) -> Path | None:
    """Return the folder of the system's units, if these are the settings of its service."""
    from daemon.install.units import UNIT_FOLDER

    return UNIT_FOLDER if loaded.sources["watch.folder"] == str(SYSTEM_FILE) else None


def _import_everything(settings: Settings) -> None:
    """Check nothing much, so that all modules are imported before the rights change.

    The user may not be able to read this installation.
    """
    from config.settings import FolderSettings
    from daemon.monitoring.preflight import run_checks
    from storage.catalogue import Catalogue
    from trainer.bundles.bundle import SHIPPED, verify
    from trainer.trainer_errors import BundleError

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        watch = settings.watch.model_copy(update={"folder": (FolderSettings(path=folder),)})
        little = settings.model_copy(update={"watch": watch})
        url = f"sqlite:///{folder / 'x.db'}"
        Catalogue(url).close()
        with suppress(BundleError):
            verify(SHIPPED, guarded=False)
        for _ in run_checks(little, url, folder, folder):
            pass


@contextmanager
def _as_user(name: str | None) -> Iterator[None]:
    """Take on the rights of another user, and no others, within the block."""
    if name is None:
        yield
        return
    try:
        user = pwd.getpwnam(name)
    except KeyError as error:
        raise click.UsageError(f"--user {printable(name)}: there is no such user") from error
    if os.geteuid() != 0:
        raise click.UsageError("--user: only root can check as another user")
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
