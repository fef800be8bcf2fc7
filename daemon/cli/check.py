"""`valenced check`: finds what would fail, before it does."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import click

from daemon.admission import Admission
from daemon.bundles import problem_with
from daemon.cli.options import FORMAT_HELP, catalogue_url, registry_folder, with_settings
from daemon.links import links_below
from daemon.spelling import printable
from daemon.watching import watch_limit
from storage.catalogue import Catalogue
from storage.engine import file_of, writer_of
from storage.errors import CatalogueError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from config.loading import Loaded
    from config.settings import Settings, WatchedFolder

LEAST_FREE_BYTES = 1 << 30
OLDEST_SQLITE = (3, 35, 0)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `fail` stops the service or a promise, `warn` may."""

    level: Literal["ok", "warn", "fail"]
    what: str


@click.command("check")
@click.option(
    "--format", "output", type=click.Choice(["text", "json"]), default="text", help=FORMAT_HELP
)
@with_settings
def command(loaded: Loaded, *, output: str) -> int:
    """Look for what would fail: settings, folders, limits, catalogue, bundle, free space.

    Exit code 1 if anything would.
    """
    findings = list(_findings(loaded))
    if output == "json":
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{finding.level:<4}  {printable(finding.what)}")
    return 1 if any(finding.level == "fail" for finding in findings) else 0


def _findings(loaded: Loaded) -> Iterator[Finding]:
    yield Finding("ok", "the settings are valid")
    yield from _of_sqlite()
    yield from _of_catalogue(catalogue_url(loaded))
    problem = problem_with(registry_folder(loaded))
    yield Finding("fail", problem) if problem else Finding("ok", "the bundle can be trusted")
    if not loaded.settings.watch.folder:
        yield Finding("warn", "no folder is set; name one: valenced run DIR")
    directories = 0
    for folder in loaded.settings.watch.folder:
        yield from _of_folder(folder, loaded.settings)
        if not loaded.settings.watch.follow_links:
            yield from _of_links(folder.path, loaded.settings)
        directories += sum(1 for _ in os.walk(folder.path))
    yield from _of_limits(directories)


def _of_sqlite() -> Iterator[Finding]:
    found = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        yield Finding("fail", f"SQLite {found} is too old; 3.35 or newer is needed")
    else:
        yield Finding("ok", f"SQLite {found}")


def _of_catalogue(url: str) -> Iterator[Finding]:
    try:
        file = file_of(url)
        Catalogue(url).close()
    except CatalogueError as error:
        yield Finding("fail", str(error))
        return
    holder = writer_of(url)
    yield Finding("ok", f"{file}: opens{f'; process {holder} works on it' if holder else ''}")
    free = shutil.disk_usage(file.parent).free
    if free < LEAST_FREE_BYTES:
        yield Finding("warn", f"{file.parent}: only {free // 2**20} MiB free")


def _of_folder(folder: WatchedFolder, settings: Settings) -> Iterator[Finding]:
    path = folder.path
    if not path.is_dir():
        yield Finding("fail", f"{path}: not a folder; is it mounted?")
    elif not os.access(path, os.R_OK | os.X_OK):
        yield Finding("fail", f"{path}: this user may not read it")
    elif folder.tags and settings.tags.mode in {"replace", "in-place", "sidecar"}:
        if os.access(path, os.W_OK):
            yield Finding("ok", f"{path}: can be read, and tags written")
        else:
            yield Finding(
                "warn", f"{path}: this user may not write to it, so no tags; the catalogue is kept"
            )
    else:
        yield Finding("ok", f"{path}: can be read; no tags are asked for")


def _of_links(folder: Path, settings: Settings) -> Iterator[Finding]:
    admission = Admission(settings.watch.suffixes, settings.watch.ignore)
    count = sum(1 for _ in links_below(folder, admission))
    if count:
        yield Finding("ok", f"{folder}: {count} links, not followed (watch.follow_links)")


def _of_limits(directories: int) -> Iterator[Finding]:
    limit = watch_limit()
    if limit is None:
        return
    if directories > limit // 2:
        yield Finding(
            "warn",
            f"{directories} folders to watch, and the kernel allows {limit} for all programs of"
            f" this user: sysctl fs.inotify.max_user_watches={max(4 * directories, 65536)}",
        )
    else:
        yield Finding("ok", f"{directories} folders to watch, {limit} allowed")
