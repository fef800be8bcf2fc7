"""Checks of `valenced check`: finds what would fail before the service does."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal

from config.settings import FolderSettings
from daemon.clock import utc_now
from daemon.install.sandbox_check import is_sandbox_problem
from daemon.install.socket_unit import socket_problem
from daemon.install.units import UNIT, is_ours, unopened_folders
from daemon.monitoring.teaching_check import who_may_teach
from daemon.service_errors import InstallError, WorkerError
from daemon.system.mounts import is_read_only, mount_of
from daemon.watch.file_filter import FileFilter
from daemon.watch.symlinks import links_below
from daemon.watch.watcher import watch_limit
from daemon.wording import counted
from daemon.worker.active_bundle import problem_with
from daemon.worker.worker_client import WorkerClient
from storage.catalogue import Catalogue
from storage.database.catalogue_file import file_of, writer_of
from storage.database.sqlite_library import sqlite_problem
from storage.schema.catalogue_errors import CatalogueError
from trainer.audio.sandbox import NEEDED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from config.settings import AnalysisSettings, Settings
    from storage.schema.records import FolderState

LEAST_FREE_BYTES: Final = 1 << 30
MOST_NAMED: Final = 3
CLOCK_TOLERANCE: Final = timedelta(minutes=2)
NOT_OPENED: Final = (
    "the installed unit does not open it to the service: valenced install, then"
    " systemctl restart valenced"
)
TAG_MODES: Final = frozenset({"replace", "in-place", "sidecar"})
_READ, _WRITE, _ALL = os.R_OK | os.X_OK, os.W_OK | os.X_OK, os.R_OK | os.W_OK | os.X_OK


@dataclass(frozen=True)
class CheckResult:
    """The result of one check: `fail` stops the service or breaks a promise, `warn` may."""

    level: Literal["ok", "warn", "fail"]
    what: str


_ok, _warn, _fail = (partial(CheckResult, level) for level in ("ok", "warn", "fail"))


def run_checks(
    settings: Settings, url: str, registry: Path, annotations: Path, units: Path | None = None
) -> Iterator[CheckResult]:
    """Check everything that the service needs, with the rights of this process.

    Args:
        settings: all of them.
        url: of the catalogue.
        registry: folder of the bundles.
        annotations: folder into which annotation tables are dropped.
        units: folder of the machine's units, if these are the settings of the machine's service.
    """
    if lacking := sqlite_problem():
        yield _fail(lacking)
    else:
        yield _ok(f"SQLite {sqlite3.sqlite_version}")
        yield from _check_catalogue(url)
    problem = problem_with(registry)
    yield _fail(problem) if problem else _ok("the bundle can be trusted")
    if os.path.isdir(annotations) and not _may(annotations, _ALL):  # noqa: PTH112 - as below
        yield _warn(f"{annotations}: this user may not move files in it (annotations)")
    for is_safe, what in who_may_teach(settings.annotations, settings.tags, annotations):
        yield _ok(what) if is_safe else _warn(what)
    running = _folders_of_service(url)
    folders = {folder.path: folder for folder in settings.watch.folder}
    # Those of its command line.
    folders |= {
        each.path: FolderSettings(path=each.path) for each in running if each.path not in folders
    }
    if not folders:
        yield _warn("no folder is set; name one: valenced run DIR")
    directories = 0
    for folder in folders.values():
        yield from _check_folder(folder, settings)
        yield from _check_mount(folder)
        if not settings.watch.follow_links:
            yield from _check_links(folder.path, settings)
        if folder.mode != "poll":
            directories += sum(1 for _ in os.walk(folder.path))
    yield from _check_watch_limit(directories)
    yield _check_confinement(settings.analysis)
    yield from _check_unit(settings, running, units)


def _may(path: Path | str, rights: int) -> bool:
    return os.access(path, rights, effective_ids=True)


def _check_catalogue(url: str) -> Iterator[CheckResult]:
    try:
        file = file_of(url)
        if closed := _closed_above(file):
            yield _fail(
                f"{file}: this user may not look into {closed}; check as the service's user"
            )
            return
        if not file.exists():
            # Made now, it would belong to this user, perhaps not to the service's.
            yield _check_new_catalogue(file)
            return
        holder = writer_of(url)
        with closing(Catalogue(url)) as catalogue:
            newest = catalogue.statistics.last_analysed_at()
    except CatalogueError as error:
        yield _fail(str(error))
        return
    yield _ok(f"{file}: opens")
    if holder is not None:
        yield _ok(f"process {holder} works on this catalogue; a second start is refused")
    now = utc_now()
    if newest is not None and newest > now + CLOCK_TOLERANCE:
        yield _warn(
            f"the clock says {now:%Y-%m-%d %H:%M} UTC, but a sound was analysed at"
            f" {newest:%Y-%m-%d %H:%M} UTC: what is due would wait; set the clock"
        )
    else:
        yield _ok(f"the clock says {now:%Y-%m-%d %H:%M} UTC")
    free = shutil.disk_usage(file.parent).free
    result, only = (_warn, "only ") if free < LEAST_FREE_BYTES else (_ok, "")
    yield result(f"{file.parent}: {only}{free >> 20} MiB free")
    mount = mount_of(file.absolute())
    if mount is not None and mount.is_silent:
        yield _warn(
            f"{file}: is on {mount.kind}; SQLite needs a local disk, or two machines may damage it"
        )


def _closed_above(file: Path) -> Path | None:
    """Return the first folder on the way to a file that this user may not look into."""
    for folder in reversed(file.absolute().parents):
        # Where the one before may be looked into, these say whether this one exists.
        if os.path.isdir(folder) and not _may(folder, os.X_OK):  # noqa: PTH112 - never an error
            return folder
    return None


def _check_new_catalogue(file: Path) -> CheckResult:
    nearest = next(folder for folder in file.absolute().parents if folder.exists())
    if _may(nearest, _WRITE):
        return _ok(f"{file}: not there yet; the first start makes it")
    return _fail(f"{file}: not there yet, and this user may not write to {nearest}")


def _check_folder(folder: FolderSettings, settings: Settings) -> Iterator[CheckResult]:
    path = folder.path
    if not path.is_dir():
        yield _fail(f"{path}: not a folder, or cannot be reached; is it mounted?")
        return
    if not _may(path, _READ):
        yield _fail(f"{path}: this user may not read it")
        return
    wants_tags = folder.tags and settings.tags.mode in TAG_MODES
    closed = list(islice(_closed_below(path, write=wants_tags), 1000))
    if unreadable := [inner for inner, may_read in closed if not may_read]:
        yield _warn(f"{path}: this user may not read {_some(unreadable)} in it")
    if not wants_tags:
        yield _ok(f"{path}: can be read; no tags are wanted")
    elif is_read_only(path):
        yield _warn(f"{path}: its disk is read-only, so no tags")
    elif unwritable := [inner for inner, may_read in closed if may_read]:
        yield _warn(
            f"{path}: this user may not write to {_some(unwritable)}, so no tags there; the"
            " catalogue has the values"
        )
    else:
        yield _ok(f"{path}: can be read, and tags written")


def _closed_below(folder: Path, *, write: bool) -> Iterator[tuple[str, bool]]:
    """Yield the directories that this user may not use, and whether they can be read at least."""
    for inner, names, _ in os.walk(folder):
        # A directory that cannot be read is not walked into, so its parent looks at it.
        for directory in ([inner] if inner == str(folder) else []) + [
            os.path.join(inner, name)  # noqa: PTH118 - a million names go through here
            for name in names
        ]:
            if not _may(directory, _READ):
                yield directory, False
            elif write and not _may(directory, os.W_OK):
                yield directory, True


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    return ", ".join(paths[:MOST_NAMED]) + more


def _check_mount(folder: FolderSettings) -> Iterator[CheckResult]:
    mount = mount_of(folder.path)
    if mount is None or not mount.is_silent:
        return
    if folder.mode == "native":
        yield _warn(
            f'{folder.path}: on {mount.kind}, which may report no changes; mode = "poll" is safe'
        )
    else:
        yield _ok(f"{folder.path}: on {mount.kind}, so it is polled")


def _check_links(folder: Path, settings: Settings) -> Iterator[CheckResult]:
    file_filter = FileFilter(settings.watch.suffixes, settings.watch.ignore)
    if count := sum(1 for _ in links_below(folder, file_filter)):
        yield _ok(f"{folder}: {count} links, not followed (watch.follow_links)")


def _check_confinement(limits: AnalysisSettings) -> CheckResult:
    """Have a worker confine itself, and say what held."""
    try:
        with closing(WorkerClient(limits)) as worker:
            layers = worker.layers()
    except WorkerError as error:
        if not os.access(sys.executable, os.X_OK, effective_ids=True):
            # As root with --user: the unit may give that user what it has not here.
            return _warn(f"confinement was not tried: this user may not run {sys.executable}")
        return _fail(str(error))
    missing = [layer for layer in NEEDED if layer not in layers]
    if not missing:
        return _ok(f"workers that read sound are confined: {', '.join(layers)}")
    return _warn(
        f"workers that read sound are not confined, {' and '.join(missing)} missing: a crafted file"
        " that takes one over could do what the service may. Landlock needs Linux 5.13 and"
        " lsm=landlock, seccomp needs libseccomp2"
    )


def _folders_of_service(url: str) -> Sequence[FolderState]:
    """Return the folders of the service that runs now, none if none runs."""
    # `exists` is True or False, never an error; what is wrong with a catalogue is said above.
    with suppress(CatalogueError):
        if os.path.exists(file_of(url)) and writer_of(url) is not None:  # noqa: PTH110
            with closing(Catalogue(url)) as catalogue:
                return catalogue.queries.folders()
    return ()


def _check_unit(
    settings: Settings, running: Sequence[FolderState], units: Path | None
) -> Iterator[CheckResult]:
    """Check which folders the unit keeps from the service: as installed, and as it runs."""
    problems = {} if units is None else dict.fromkeys(unopened_folders(settings, units), NOT_OPENED)
    for state in running:
        if state.trouble is not None and is_sandbox_problem(state.trouble):
            problems[state.path] = state.trouble
    for path, problem in problems.items():
        yield _warn(f"{path}: {problem}")
    if units is not None and settings.page.listen and is_ours(units / UNIT):
        yield _check_socket(settings.page.listen, units)


def _check_socket(address: str, units: Path) -> CheckResult:
    try:
        problem = socket_problem(address, units)
    except InstallError as error:
        return _fail(str(error))
    if problem is None:
        return _ok(f"page.listen = {address}: systemd opens it, the service has no network")
    return _warn(
        f"page.listen = {address}: {problem}; run sudo valenced install, then systemctl restart"
        " valenced"
    )


def _check_watch_limit(directories: int) -> Iterator[CheckResult]:
    limit = watch_limit()
    if limit is None:
        return
    if directories > limit // 2:
        yield _warn(
            f"{directories} folders to watch, and the kernel allows {limit} for all programs of"
            f" this user: sysctl fs.inotify.max_user_watches={max(4 * directories, 65536)}"
        )
    else:
        yield _ok(f"{counted(directories, 'folder')} to watch, {limit} allowed")
