"""Brings a catalogue of an earlier release to the schema of this one."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, suppress
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Final

from storage.database.catalogue_copy import copy_catalogue, place
from storage.database.sessions import reading
from storage.schema.catalogue_errors import CatalogueBusy, CatalogueError, SchemaTooNew

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection, Engine

CHEAP_BYTES: Final = 256 << 20
"""A larger file is not rebuilt only so that it can give back room later."""


def schemas() -> list[str]:
    """Return the script that leads to each schema from the one before; the first is schema 1."""
    folder = resources.files("storage.database.migrations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [folder.joinpath(name).read_text(encoding="utf-8") for name in names]


def apply(connection: Connection | sqlite3.Connection, scripts: Sequence[str], found: int) -> None:
    """Take a catalogue from one schema to the last of the scripts, within a transaction.

    Args:
        connection: in a transaction.
        scripts: as `schemas` returns them.
        found: the schema it has.
    """
    run = connection.execute if isinstance(connection, sqlite3.Connection) else _run(connection)
    for number in range(found + 1, len(scripts) + 1):
        for statement in _statements(scripts[number - 1]):
            run(statement)
        run(f"PRAGMA user_version = {number}")


def migrate(engine: Engine, others: int | None) -> None:
    """Bring a catalogue to the newest schema, all steps in one transaction, after a copy of it.

    The copy lies beside the catalogue as `catalogue.schema-N.db`; of several, the newest stays.

    Args:
        engine: of the catalogue.
        others: number of another process that works on it.

    Raises:
        SchemaTooNew: a later release wrote it.
        CatalogueBusy: it must change, and another process works on it.
        CatalogueError: there is no room, or it cannot be changed; it is as it was.
    """
    scripts = schemas()
    with reading(engine) as connection:
        found = _schema(connection)
        is_new = not found and _is_empty(connection)
    _demand_known(engine, found, len(scripts))
    if found == len(scripts):
        return
    if found and others is not None:
        raise CatalogueBusy(
            f"{engine.url.database}: process {others} works on it by an earlier release, and it"
            f" must go from schema {found} to {len(scripts)}; stop that process first"
        )
    if _changed(engine, scripts, is_new=is_new) and not is_new:
        _make_shrinkable(engine)


class _NotCopied(CatalogueError):
    """There is no copy of the catalogue, so it was not changed."""


def _changed(engine: Engine, scripts: Sequence[str], *, is_new: bool) -> bool:
    """Copy and change a catalogue while nobody else can write to it; False if others did."""
    file = Path(str(engine.url.database))
    copy = None
    try:
        with engine.begin() as connection:
            # Another process may have been faster.
            found = _schema(connection)
            _demand_known(engine, found, len(scripts))
            if found == len(scripts):
                return False
            copy = None if is_new else _copy(file, found, len(scripts))
            apply(connection, scripts, found)
    except (SchemaTooNew, _NotCopied):
        raise
    except CatalogueError as error:
        raise CatalogueError(
            f"{error}, on the way to schema {len(scripts)}; it is as it was"
        ) from error
    for other in file.parent.glob(f"{file.stem}.schema-*.db"):
        if copy is not None and other != copy:
            other.unlink(missing_ok=True)
    return True


def _copy(file: Path, found: int, wanted: int) -> Path:
    copy = file.with_name(f"{file.stem}.schema-{found}.db")
    beside = copy.with_name(f".{copy.name}.new")
    try:
        copy_catalogue(file, beside)
        place(beside, copy)
    except (CatalogueError, OSError) as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise _NotCopied(
            f"{error}; it must go from schema {found} to {wanted} and is copied first, which takes"
            f" {file.stat().st_size >> 20} MiB in {file.parent}. The catalogue is as it was"
        ) from error
    return copy


def _make_shrinkable(engine: Engine) -> None:
    """Let an old and small file give back room, as new ones do; of no weight if it fails."""
    file = Path(str(engine.url.database))
    with suppress(sqlite3.Error, OSError):
        if file.stat().st_size <= CHEAP_BYTES:
            with closing(sqlite3.connect(file, isolation_level=None)) as plain:
                plain.execute("PRAGMA auto_vacuum = INCREMENTAL")
                plain.execute("VACUUM")


def _demand_known(engine: Engine, found: int, known: int) -> None:
    if found > known:
        raise SchemaTooNew(
            f"{engine.url.database}: schema {found} is of a later release;"
            f" this one knows up to {known}. Nothing was changed: upgrade valenced"
        )


def _schema(connection: Connection) -> int:
    number: int = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    return number


def _is_empty(connection: Connection) -> bool:
    return not connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()


def _run(connection: Connection) -> Callable[[str], object]:
    return connection.exec_driver_sql


def _statements(script: str) -> list[str]:
    bare = re.sub(r"^--.*$", "", script, flags=re.MULTILINE)
    return [statement for statement in bare.split(";") if statement.strip()]
