"""What would fail, looked for before it does."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal

from daemon.clock import utc_now
from daemon.install.sandbox_check import is_sandbox_problem
from daemon.install.units import unopened_folders
from daemon.pipeline.active_bundle import problem_with
from daemon.system.mounts import is_read_only, mount_of
from daemon.watch.file_filter import FileFilter
from daemon.watch.symlinks import links_below
from daemon.watch.watcher import watch_limit
from storage.catalogue import Catalogue
from storage.database.engine import file_of, writer_of
from storage.schema.catalogue_errors import CatalogueError
from trainer.audio.sandbox import landlock_version

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from config.settings import FolderSettings, Settings

LEAST_FREE_BYTES: Final = 1 << 30
OLDEST_SQLITE: Final = (3, 35, 0)
MOST_NAMED: Final = 3
CLOCK_TOLERANCE: Final = timedelta(minutes=2)
NOT_OPENED: Final = (
    "the installed unit does not open it to the service: valenced install, then"
    " systemctl restart valenced"
)
TAG_MODES: Final = frozenset({"replace", "in-place", "sidecar"})


@dataclass(frozen=True)
class CheckResult:
    """One thing that was looked at: `fail` stops the service or a promise, `warn` may."""

    level: Literal["ok", "warn", "fail"]
    what: str


def run_checks(
    settings: Settings, url: str, registry: Path, annotations: Path, units: Path | None = None
) -> Iterator[CheckResult]:
    """Look at everything that the service needs, with the rights that this process has just now.

    Args:
        settings: all of them.
        url: of the catalogue.
        registry: folder of the bundles.
        annotations: folder into which tables of annotations are dropped.
        units: folder of the machine's units, if these are the settings of the machine's service.
    """
    yield from _of_sqlite()
    yield from _of_catalogue(url)
    problem = problem_with(registry)
    yield (
        CheckResult("fail", problem) if problem else CheckResult("ok", "the bundle can be trusted")
    )
    if annotations.is_dir() and not os.access(annotations, _ALL, effective_ids=True):
        yield CheckResult(
            "warn", f"{annotations}: this user may not move files in it (annotations)"
        )
    if not settings.watch.folder:
        yield CheckResult("warn", "no folder is set; name one: valenced run DIR")
    directories = 0
    for folder in settings.watch.folder:
        yield from _of_folder(folder, settings)
        yield from _of_mount(folder)
        if not settings.watch.follow_links:
            yield from _of_links(folder.path, settings)
        if folder.mode != "poll":
            directories += sum(1 for _ in os.walk(folder.path))
    yield from _of_limits(directories)
    yield _of_confinement()
    yield from _of_walls(settings, url, units)


_ALL: Final = os.R_OK | os.W_OK | os.X_OK


def _of_sqlite() -> Iterator[CheckResult]:
    found = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        yield CheckResult("fail", f"SQLite {found} is too old; 3.35 or newer is needed")
    else:
        yield CheckResult("ok", f"SQLite {found}")


def _of_catalogue(url: str) -> Iterator[CheckResult]:
    try:
        file = file_of(url)
        if not file.exists():
            # Made now, it would belong to whoever asks, perhaps not to the service's user.
            yield _of_place(file)
            return
        holder = writer_of(url)
        with closing(Catalogue(url)) as catalogue:
            newest = catalogue.statistics.last_analysed_at()
    except CatalogueError as error:
        yield CheckResult("fail", str(error))
        return
    yield CheckResult("ok", f"{file}: opens")
    if holder is not None:
        yield CheckResult(
            "ok", f"process {holder} works on this catalogue; a second start is refused"
        )
    now = utc_now()
    if newest is not None and newest > now + CLOCK_TOLERANCE:
        yield CheckResult(
            "warn",
            f"the clock says {now:%Y-%m-%d %H:%M} UTC, but a sound was heard at"
            f" {newest:%Y-%m-%d %H:%M} UTC: what is due would wait; set the clock",
        )
    else:
        yield CheckResult("ok", f"the clock says {now:%Y-%m-%d %H:%M} UTC")
    free = shutil.disk_usage(file.parent).free
    level: Literal["ok", "warn"] = "warn" if free < LEAST_FREE_BYTES else "ok"
    yield CheckResult(level, f"{file.parent}: {'only ' * (level == 'warn')}{free >> 20} MiB free")
    mount = mount_of(file.absolute())
    if mount is not None and mount.is_silent:
        yield CheckResult(
            "warn",
            f"{file}: lies on {mount.kind}; SQLite needs a local disk, or two machines may harm it",
        )


def _of_place(file: Path) -> CheckResult:
    """Tell whether a catalogue that is not there yet could be made."""
    nearest = next(folder for folder in file.absolute().parents if folder.exists())
    if os.access(nearest, os.W_OK | os.X_OK, effective_ids=True):
        return CheckResult("ok", f"{file}: not there yet; the first start makes it")
    return CheckResult("fail", f"{file}: not there yet, and this user may not write to {nearest}")


def _of_folder(folder: FolderSettings, settings: Settings) -> Iterator[CheckResult]:
    path = folder.path
    if not path.is_dir():
        yield CheckResult("fail", f"{path}: not a folder, or out of reach; is it mounted?")
        return
    if not os.access(path, os.R_OK | os.X_OK, effective_ids=True):
        yield CheckResult("fail", f"{path}: this user may not read it")
        return
    wants_tags = folder.tags and settings.tags.mode in TAG_MODES
    closed = list(islice(_closed_below(path, write=wants_tags), 1000))
    unread = [inner for inner, may_read in closed if not may_read]
    if unread:
        yield CheckResult("warn", f"{path}: this user may not read {_some(unread)} in it")
    if not wants_tags:
        yield CheckResult("ok", f"{path}: can be read; no tags are asked for")
    elif is_read_only(path):
        yield CheckResult("warn", f"{path}: its disk can only be read, so no tags")
    elif unwritten := [inner for inner, may_read in closed if may_read]:
        yield CheckResult(
            "warn",
            f"{path}: this user may not write to {_some(unwritten)}, so no tags there; the"
            " catalogue is kept",
        )
    else:
        yield CheckResult("ok", f"{path}: can be read, and tags written")


def _closed_below(folder: Path, *, write: bool) -> Iterator[tuple[str, bool]]:
    """Yield the directories that are closed to us, and whether they can be read at least."""
    for inner, names, _ in os.walk(folder):
        # A directory that cannot be read is not walked into, so it is looked at from above.
        for directory in ([inner] if inner == str(folder) else []) + [
            os.path.join(inner, name)  # noqa: PTH118 - a million names go through here
            for name in names
        ]:
            if not os.access(directory, os.R_OK | os.X_OK, effective_ids=True):
                yield directory, False
            elif write and not os.access(directory, os.W_OK, effective_ids=True):
                yield directory, True


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    return ", ".join(paths[:MOST_NAMED]) + more


def _of_mount(folder: FolderSettings) -> Iterator[CheckResult]:
    mount = mount_of(folder.path)
    if mount is None or not mount.is_silent:
        return
    if folder.mode == "native":
        yield CheckResult(
            "warn",
            f'{folder.path}: on {mount.kind}, which may tell of no changes; mode = "poll" is safe',
        )
    else:
        yield CheckResult("ok", f"{folder.path}: on {mount.kind}, so it is polled")


def _of_links(folder: Path, settings: Settings) -> Iterator[CheckResult]:
    admission = FileFilter(settings.watch.suffixes, settings.watch.ignore)
    count = sum(1 for _ in links_below(folder, admission))
    if count:
        yield CheckResult("ok", f"{folder}: {count} links, not followed (watch.follow_links)")


def _of_confinement() -> CheckResult:
    version = landlock_version()
    if version:
        return CheckResult("ok", f"workers are confined (Landlock {version})")
    return CheckResult(
        "warn",
        "no Landlock in this kernel, or it is not switched on (lsm=): workers that read sound keep"
        " the rights of the service",
    )


def _of_walls(settings: Settings, url: str, units: Path | None) -> Iterator[CheckResult]:
    """Tell which folders the unit keeps from the service: as installed, and as it runs."""
    behind = {} if units is None else dict.fromkeys(unopened_folders(settings, units), NOT_OPENED)
    if file_of(url).exists() and writer_of(url) is not None:
        with closing(Catalogue(url)) as catalogue:
            for state in catalogue.queries.folders():
                if state.trouble is not None and is_sandbox_problem(state.trouble):
                    behind[state.path] = state.trouble
    for path, wall in behind.items():
        yield CheckResult("warn", f"{path}: {wall}")


def _of_limits(directories: int) -> Iterator[CheckResult]:
    limit = watch_limit()
    if limit is None:
        return
    if directories > limit // 2:
        yield CheckResult(
            "warn",
            f"{directories} folders to watch, and the kernel allows {limit} for all programs of"
            f" this user: sysctl fs.inotify.max_user_watches={max(4 * directories, 65536)}",
        )
    else:
        yield CheckResult("ok", f"{directories} folders to watch, {limit} allowed")
