"""Migrates a catalogue of an earlier release to the newest schema."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, suppress
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from storage.database.catalogue_copy import copy_catalogue, rename_durably
from storage.database.sessions import reading
from storage.schema.catalogue_errors import CatalogueBusy, CatalogueError, SchemaTooNew

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection, Engine

CHEAP_BYTES: Final = 256 << 20
"""A larger file is not rebuilt only so that it can shrink later."""


def schemas() -> list[str]:
    """Return the scripts that lead from each schema to the next, beginning with schema 1."""
    folder = resources.files("storage.database.migrations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [folder.joinpath(name).read_text(encoding="utf-8") for name in names]


def apply(run: Callable[[str], object], scripts: Sequence[str], found: int) -> None:
    """Run the scripts that follow the present schema.

    Args:
        run: executes one statement, within a transaction.
        scripts: as `schemas` returns them.
        found: the present schema.
    """
    for number, script in enumerate(scripts[found:], start=found + 1):
        bare = re.sub(r"^--.*$", "", script, flags=re.MULTILINE)
        for statement in filter(str.strip, bare.split(";")):
            run(statement)
        run(f"PRAGMA user_version = {number}")


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
    if _migrated(engine, scripts, is_new=is_new) and not is_new:
        _make_shrinkable(engine)


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
            apply(connection.exec_driver_sql, scripts, found)
    except (SchemaTooNew, _NotCopied):
        raise
    except CatalogueError as error:
        raise CatalogueError(
            f"{error}, during the migration to schema {len(scripts)}; the catalogue is as it was"
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


def _make_shrinkable(engine: Engine) -> None:
    """Rebuild a small old file so that it can shrink, as new ones can; failure does not matter."""
    file = Path(str(engine.url.database))
    with suppress(sqlite3.Error, OSError):
        if file.stat().st_size <= CHEAP_BYTES:
            with closing(sqlite3.connect(file, isolation_level=None)) as plain:
                plain.execute("PRAGMA auto_vacuum = INCREMENTAL")
                plain.execute("VACUUM")


def _require_known(engine: Engine, found: int, known: int) -> None:
    if found > known:
        raise SchemaTooNew(
            f"{engine.url.database}: schema {found} is of a later release; this release supports"
            f" up to {known}. Nothing was changed: upgrade valenced"
        )


def _schema(connection: Connection) -> int:
    number: int = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    return number
