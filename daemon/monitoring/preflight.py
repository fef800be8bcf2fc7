"""Checks of `valenced check`: finds what would fail before the service does."""

from __future__ import annotations

import os
import sys
from contextlib import closing, suppress
from itertools import islice
from typing import TYPE_CHECKING, Final

from config.settings import FolderSettings
from daemon.install.sandbox_check import is_sandbox_problem
from daemon.install.socket_unit import socket_problem
from daemon.install.units import UNIT, is_ours, unopened_folders
from daemon.monitoring.catalogue_preflight import (
    ALL,
    READ,
    CheckResult,
    check_catalogue,
    fail,
    may,
    ok,
    warn,
)
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
from storage.database.catalogue_file import is_there, writer_of
from storage.schema.catalogue_errors import CatalogueError
from trainer.audio.sandbox import NEEDED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from config.settings import AnalysisSettings, Settings
    from storage.schema.records import FolderState

MOST_NAMED: Final = 3
NOT_OPENED: Final = (
    "the installed unit does not open it to the service: valenced install, then"
    " systemctl restart valenced"
)
TAG_MODES: Final = frozenset({"replace", "in-place", "sidecar"})


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
    yield from check_catalogue(url)
    problem = problem_with(registry)
    yield fail(problem) if problem else ok("the bundle can be trusted")
    if os.path.isdir(annotations) and not may(annotations, ALL):  # noqa: PTH112 - as below
        yield warn(f"{annotations}: this user may not move files in it (annotations)")
    for is_safe, what in who_may_teach(settings.annotations, settings.tags, annotations):
        yield ok(what) if is_safe else warn(what)
    running = _folders_of_service(url)
    folders = {folder.path: folder for folder in settings.watch.folder}
    # Those of its command line.
    folders |= {
        each.path: FolderSettings(path=each.path) for each in running if each.path not in folders
    }
    if not folders:
        yield warn("no folder is set; name one: valenced run DIR")
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


def _check_folder(folder: FolderSettings, settings: Settings) -> Iterator[CheckResult]:
    path = folder.path
    if not path.is_dir():
        yield fail(f"{path}: not a folder, or cannot be reached; is it mounted?")
        return
    if not may(path, READ):
        yield fail(f"{path}: this user may not read it")
        return
    wants_tags = folder.tags and settings.tags.mode in TAG_MODES
    closed = list(islice(_closed_below(path, write=wants_tags), 1000))
    if unreadable := [inner for inner, may_read in closed if not may_read]:
        yield warn(f"{path}: this user may not read {_some(unreadable)} in it")
    if not wants_tags:
        yield ok(f"{path}: can be read; no tags are wanted")
    elif is_read_only(path):
        yield warn(f"{path}: its disk is read-only, so no tags")
    elif unwritable := [inner for inner, may_read in closed if may_read]:
        yield warn(
            f"{path}: this user may not write to {_some(unwritable)}, so no tags there; the"
            " catalogue has the values"
        )
    else:
        yield ok(f"{path}: can be read, and tags written")


def _closed_below(folder: Path, *, write: bool) -> Iterator[tuple[str, bool]]:
    """Yield the directories that this user may not use, and whether they can be read at least."""
    for inner, names, _ in os.walk(folder):
        # A directory that cannot be read is not walked into, so its parent looks at it.
        for directory in ([inner] if inner == str(folder) else []) + [
            os.path.join(inner, name)  # noqa: PTH118 - a million names go through here
            for name in names
        ]:
            if not may(directory, READ):
                yield directory, False
            elif write and not may(directory, os.W_OK):
                yield directory, True


def _some(paths: list[str]) -> str:
    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    return ", ".join(paths[:MOST_NAMED]) + more


def _check_mount(folder: FolderSettings) -> Iterator[CheckResult]:
    mount = mount_of(folder.path)
    if mount is None or not mount.is_silent:
        return
    if folder.mode == "native":
        yield warn(
            f'{folder.path}: on {mount.kind}, which may report no changes; mode = "poll" is safe'
        )
    else:
        yield ok(f"{folder.path}: on {mount.kind}, so it is polled")


def _check_links(folder: Path, settings: Settings) -> Iterator[CheckResult]:
    file_filter = FileFilter(settings.watch.suffixes, settings.watch.ignore)
    if count := sum(1 for _ in links_below(folder, file_filter)):
        yield ok(f"{folder}: {count} links, not followed (watch.follow_links)")


def _check_confinement(limits: AnalysisSettings) -> CheckResult:
    """Have a worker confine itself, and say what held."""
    try:
        with closing(WorkerClient(limits)) as worker:
            layers = worker.layers()
    except WorkerError as error:
        if not os.access(sys.executable, os.X_OK, effective_ids=True):
            # As root with --user: the unit may give that user what it has not here.
            return warn(f"confinement was not tried: this user may not run {sys.executable}")
        return fail(str(error))
    missing = [layer for layer in NEEDED if layer not in layers]
    if not missing:
        return ok(f"workers that read sound are confined: {', '.join(layers)}")
    return warn(
        f"workers that read sound are not confined, {' and '.join(missing)} missing: a crafted file"
        " that takes one over could do what the service may. Landlock needs Linux 5.13 and"
        " lsm=landlock, seccomp needs libseccomp2"
    )


def _folders_of_service(url: str) -> Sequence[FolderState]:
    """Return the folders of the service that runs now, none if none runs."""
    # Another check reports a catalogue that cannot be opened.
    with suppress(CatalogueError, OSError):
        if is_there(url) and writer_of(url) is not None:
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
        yield warn(f"{path}: {problem}")
    if units is not None and settings.page.listen and is_ours(units / UNIT):
        yield _check_socket(settings.page.listen, units)


def _check_socket(address: str, units: Path) -> CheckResult:
    try:
        problem = socket_problem(address, units)
    except InstallError as error:
        return fail(str(error))
    if problem is None:
        return ok(f"page.listen = {address}: systemd opens it, the service has no network")
    return warn(
        f"page.listen = {address}: {problem}; run sudo valenced install, then systemctl restart"
        " valenced"
    )


def _check_watch_limit(directories: int) -> Iterator[CheckResult]:
    limit = watch_limit()
    if limit is None:
        return
    if directories > limit // 2:
        yield warn(
            f"{directories} folders to watch, and the kernel allows {limit} for all programs of"
            f" this user: sysctl fs.inotify.max_user_watches={max(4 * directories, 65536)}"
        )
    else:
        yield ok(f"{counted(directories, 'folder')} to watch, {limit} allowed")
