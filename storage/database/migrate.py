"""Migrates a catalogue of an earlier release to the newest schema."""

from __future__ import annotations

import logging
import re
import shutil
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from storage.database.catalogue_copy import copy_catalogue, rename_durably
from storage.database.sessions import driver_connection, reading
from storage.schema.catalogue_errors import CatalogueBusy, CatalogueError, SchemaTooNew

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection, Engine

log = logging.getLogger(__name__)

CHEAP_BYTES: Final = 1 << 30
"""With more content a file is not rebuilt only so that it can shrink."""

_COPIES: Final = 3
"""The copy, the write-ahead log, and what the file grows by, each as large as the file at most."""

_SAID_EVERY_S: Final = 10.0
_STEPS: Final = 1_000_000
_HASTE: Final = {"cache_size": -(128 << 10), "secure_delete": "FAST"}
"""With its usual two MB, SQLite would read the indexes of a million rows again and again. Some
builds fill what is deleted with zeros: here everything that is deleted is kept elsewhere."""


def schemas() -> list[str]:
    """Return the scripts that lead from each schema to the next, beginning with schema 1."""
    folder = resources.files("storage.database.migrations")
    return [folder.joinpath(name).read_text(encoding="utf-8") for name in _scripts()]


def newest_schema() -> int:
    """Return the number of the newest schema."""
    return len(_scripts())


def _scripts() -> list[str]:
    folder = resources.files("storage.database.migrations")
    return sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))


def apply(plain: sqlite3.Connection, scripts: Sequence[str], found: int) -> None:
    """Run the scripts that follow the present schema.

    Args:
        plain: the catalogue's connection, within a transaction.
        scripts: as `schemas` returns them.
        found: the present schema.
    """
    plain.create_function("folder_of", 1, _folder_of, deterministic=True)
    plain.create_function("bytes_of", 1, _bytes_of, deterministic=True)
    for number, script in enumerate(scripts[found:], start=found + 1):
        bare = re.sub(r"^--.*$", "", script, flags=re.MULTILINE)
        for statement in _statements(bare):
            plain.execute(statement)
        plain.execute(f"PRAGMA user_version = {number}")


def _folder_of(path: bytes) -> bytes:
    """Return a path up to its last slash, which belongs to it."""
    return path[: path.rfind(b"/") + 1]


def _bytes_of(digits: str | None) -> bytes | None:
    """Return the bytes that hexadecimal digits stand for; None if they are none."""
    try:
        return None if digits is None else bytes.fromhex(digits)
    except ValueError:
        return None


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; one that makes a trigger contains others."""
    statement = ""
    for part in script.split(";")[:-1]:
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def migrate(engine: Engine, others: int | None) -> None:
    """Copy a catalogue, and bring it to the newest schema in one transaction.

    The copy is `catalogue.schema-N.db` in the same folder; older copies are deleted.

    Args:
        engine: of the catalogue.
        others: process id of another program that works on it.

    Raises:
        SchemaTooNew: a later release wrote it.
        CatalogueBusy: it must change, and another process works on it.
        CatalogueError: the disk is full, or it cannot be changed; it is as it was.
    """
    scripts = schemas()
    with reading(engine) as connection:
        found = _schema(connection)
        entries = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
    is_new = not found and not entries
    _require_known(engine, found, len(scripts))
    if found == len(scripts):
        return
    if found and others is not None:
        raise CatalogueBusy(
            f"{engine.url.database}: process {others} of an earlier release works on it, and it"
            f" must be migrated from schema {found} to {len(scripts)}; stop that process first"
        )
    if is_new:
        _migrated(engine, scripts, is_new=True)
        return
    file = Path(str(engine.url.database))
    _require_room(file, found, len(scripts))
    size_mib = file.stat().st_size >> 20
    log.info("%s: migrating from schema %d to %d, %d MiB", file, found, len(scripts), size_mib)
    if _migrated(engine, scripts, is_new=False):
        _make_shrinkable(file)
        log.info("%s: migrated", file)


def _named(error: Exception, file: Path) -> str:
    return str(error) if isinstance(error, CatalogueError) else f"{file}: {error}"


class _NotCopied(CatalogueError):
    """The catalogue could not be copied, so it was not changed."""


def _migrated(engine: Engine, scripts: Sequence[str], *, is_new: bool) -> bool:
    """Copy and migrate while nobody else can write; False if another process has done it."""
    file = Path(str(engine.url.database))
    copy = None
    try:
        with engine.begin() as connection:
            found = _schema(connection)
            _require_known(engine, found, len(scripts))
            if found == len(scripts):
                return False
            copy = None if is_new else _copy(file, found, len(scripts))
            with _unhurried(driver_connection(connection), file) as plain:
                apply(plain, scripts, found)
    except (SchemaTooNew, _NotCopied):
        raise
    except (CatalogueError, sqlite3.Error) as error:
        raise CatalogueError(
            f"{_named(error, file)}, during the migration to schema {len(scripts)}; the catalogue"
            " is as it was"
        ) from error
    for other in file.parent.glob(f"{file.stem}.schema-*.db"):
        if copy is not None and other != copy:
            other.unlink(missing_ok=True)
    return True


def _copy(file: Path, found: int, wanted: int) -> Path:
    copy = file.with_name(f"{file.stem}.schema-{found}.db")
    unfinished = copy.with_name(f".{copy.name}.new")
    try:
        copy_catalogue(file, unfinished)
        rename_durably(unfinished, copy)
    except (CatalogueError, OSError) as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise _NotCopied(
            f"{error}; before the migration from schema {found} to {wanted} it is copied, which"
            f" takes {file.stat().st_size >> 20} MiB in {file.parent}. The catalogue is as it was"
        ) from error
    return copy


def _require_room(file: Path, found: int, wanted: int) -> None:
    """Raise unless the disk has room for the migration."""
    needed, free = _COPIES * file.stat().st_size, shutil.disk_usage(file.parent).free
    if free < needed:
        raise CatalogueError(
            f"{file}: the migration from schema {found} to {wanted} needs {-(-needed >> 20)} MiB in"
            f" {file.parent}, and {free >> 20} MiB are free. The catalogue is as it was"
        )


@contextmanager
def _unhurried(plain: sqlite3.Connection, file: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection a large cache within the block, and log now and then that it goes on."""
    began_s = said_s = time.monotonic()

    def say() -> None:
        nonlocal said_s
        now_s = time.monotonic()
        if now_s - said_s >= _SAID_EVERY_S:
            said_s = now_s
            log.info("%s: still migrating after %d s", file, now_s - began_s)

    usual = {name: plain.execute(f"PRAGMA {name}").fetchone()[0] for name in _HASTE}
    for name, value in _HASTE.items():
        plain.execute(f"PRAGMA {name} = {value}")
    plain.set_progress_handler(say, _STEPS)
    try:
        yield plain
    finally:
        plain.set_progress_handler(None, 0)
        for name, value in usual.items():
            plain.execute(f"PRAGMA {name} = {value}")


def _make_shrinkable(file: Path) -> None:
    """Rebuild a file that is not too large, so that it shrinks; failure does not matter."""
    with (
        suppress(sqlite3.Error, OSError),
        closing(sqlite3.connect(file, isolation_level=None)) as plain,
    ):
        names = ("page_count", "freelist_count", "page_size")
        pages, free, size = (plain.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
        if (pages - free) * size <= CHEAP_BYTES:
            plain.execute("PRAGMA auto_vacuum = INCREMENTAL")
            plain.execute("VACUUM")
            plain.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _require_known(engine: Engine, found: int, known: int) -> None:
    if found > known:
        raise SchemaTooNew(
            f"{engine.url.database}: schema {found} is of a later release; this release supports"
            f" up to {known}. Nothing was changed: upgrade valenced"
        )


def _schema(connection: Connection) -> int:
    number: int = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    return number
