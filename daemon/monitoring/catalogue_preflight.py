"""Checks of `valenced check` about the catalogue, and what every check returns."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from daemon.clock import utc_now
from daemon.system.mounts import mount_of
from storage.catalogue import Catalogue
from storage.database.catalogue_file import file_of, writer_of
from storage.database.server_address import is_on_server
from storage.database.sqlite_library import sqlite_problem
from storage.schema.catalogue_errors import CatalogueError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

LEAST_FREE_BYTES: Final = 1 << 30
CLOCK_TOLERANCE: Final = timedelta(minutes=2)
READ, WRITE, ALL = os.R_OK | os.X_OK, os.W_OK | os.X_OK, os.R_OK | os.W_OK | os.X_OK


@dataclass(frozen=True)
class CheckResult:
    """The result of one check: `fail` stops the service or breaks a promise, `warn` may."""

    level: Literal["ok", "warn", "fail"]
    what: str


ok, warn, fail = (partial(CheckResult, level) for level in ("ok", "warn", "fail"))


def may(path: Path | str, rights: int) -> bool:
    """Tell whether this user may do something with a file or a folder."""
    return os.access(path, rights, effective_ids=True)


def check_catalogue(url: str) -> Iterator[CheckResult]:
    """Check that the catalogue opens, and that it has room."""
    try:
        if is_on_server(url):
            use = ", here or on another machine, works on this catalogue"
            yield from _check_opening(url, url, use)
            yield from (ok(f"{path}: watched by {name}") for path, name in _holders(url).items())
        elif lacking := sqlite_problem():
            yield fail(lacking)
        else:
            yield ok(f"SQLite {sqlite3.sqlite_version}")
            yield from _check_file(url)
    except CatalogueError as error:
        yield fail(str(error))


def _check_opening(url: str, name: str, use: str) -> Iterator[CheckResult]:
    """Check that a catalogue opens; `use` follows the process that works on it in the result.

    Raises:
        CatalogueError: it does not open.
    """
    with closing(Catalogue(url)) as catalogue:
        newest = catalogue.statistics.last_analysed_at()
    holder = writer_of(url)
    yield ok(f"{name}: opens")
    if holder is not None:
        yield ok(f"process {holder}{use}")
    yield _check_clock(newest)


def _holders(url: str) -> dict[Path, str]:
    """Return which service watches which folder."""
    from storage.database.service_lease import folder_holders  # noqa: PLC0415 - an extra

    return folder_holders(url)


def _check_file(url: str) -> Iterator[CheckResult]:
    file = file_of(url)
    if closed := _closed_above(file):
        yield fail(f"{file}: this user may not look into {closed}; check as the service's user")
        return
    if not file.exists():
        # Made now, it would belong to this user, perhaps not to the service's.
        yield _check_new_catalogue(file)
        return
    use = " works on this catalogue; a second start is refused"
    yield from _check_opening(url, f"{file}", use)
    free = shutil.disk_usage(file.parent).free
    result, only = (warn, "only ") if free < LEAST_FREE_BYTES else (ok, "")
    yield result(f"{file.parent}: {only}{free >> 20} MiB free")
    mount = mount_of(file.absolute())
    if mount is not None and mount.is_silent:
        yield warn(
            f"{file}: is on {mount.kind}; SQLite needs a local disk, or two machines may damage it"
        )


def _check_clock(newest: datetime | None) -> CheckResult:
    now = utc_now()
    if newest is not None and newest > now + CLOCK_TOLERANCE:
        return warn(
            f"the clock says {now:%Y-%m-%d %H:%M} UTC, but a sound was analysed at"
            f" {newest:%Y-%m-%d %H:%M} UTC: what is due would wait; set the clock"
        )
    return ok(f"the clock says {now:%Y-%m-%d %H:%M} UTC")


def _closed_above(file: Path) -> Path | None:
    """Return the first folder on the way to a file that this user may not look into."""
    for folder in reversed(file.absolute().parents):
        # Where the one before may be looked into, these say whether this one exists.
        if os.path.isdir(folder) and not may(folder, os.X_OK):  # noqa: PTH112 - never an error
            return folder
    return None


def _check_new_catalogue(file: Path) -> CheckResult:
    nearest = next(folder for folder in file.absolute().parents if folder.exists())
    if may(nearest, WRITE):
        return ok(f"{file}: not there yet; the first start makes it")
    return fail(f"{file}: not there yet, and this user may not write to {nearest}")
