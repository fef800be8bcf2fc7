"""Brings a catalogue on a PostgreSQL server to the newest schema."""

from __future__ import annotations

import logging
from importlib import resources
from typing import TYPE_CHECKING, Final

from storage.schema.catalogue_errors import CatalogueBusy, CatalogueError, SchemaTooNew

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

log = logging.getLogger(__name__)

LEASE_S: Final = 60
"""A service that was not heard of for so long counts as ended, by the clock of the server."""

_AT_WORK: Final = (
    "SELECT process FROM services"
    " WHERE seen_at >= clock_timestamp() - make_interval(secs => %(lease_s)s) LIMIT 1"
)


# Commands write single statements without a turn; what a script copies must not change meanwhile.
_HOLD: Final = "LOCK TABLE queue, clips, tag_journal, begun_writes IN EXCLUSIVE MODE"


def server_schemas() -> dict[int, str]:
    """Return the scripts by the number of the schema that they lead to, in this order.

    The first makes the whole catalogue as it was when PostgreSQL was first supported. The numbers
    are not those of the schemas of SQLite: some changes concern one of the two alone.
    """
    folder = resources.files("storage.database.migrations").joinpath("postgresql")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return {int(name[:4]): folder.joinpath(name).read_text(encoding="utf-8") for name in names}


def prepare_schema(engine: Engine, url: str) -> None:
    """Create the tables of a catalogue in an empty database, or migrate them, in one transaction.

    Raises:
        SchemaTooNew: a later release wrote it.
        CatalogueBusy: it must change, and a service of an earlier release works on it.
        CatalogueError: other tables are in the way, the database does not hold Unicode, or it
            cannot be changed; it is as it was.
    """
    scripts = server_schemas()
    newest = max(scripts)
    with engine.connect().execution_options(read_only=True) as connection:
        found = _schema(connection, url)
    if found == newest:
        return
    _require_known(found, newest, url)
    with engine.begin() as connection:
        found = _schema(connection, url)
        _require_known(found, newest, url)
        if 0 < found < newest:
            _require_idle(connection, found, newest, url)
            connection.exec_driver_sql(_HOLD)
        for number, script in scripts.items():
            if number > found:
                plain = connection.execution_options(no_parameters=True)
                plain.exec_driver_sql(script)
                plain.exec_driver_sql(f"UPDATE catalogue_schema SET version = {number:d}")  # noqa: S608
    if 0 < found < newest:
        log.info("%s: migrated from schema %d to %d", url, found, newest)


def _schema(connection: Connection, url: str) -> int:
    """Return the number of the present schema, 0 if there are no tables."""
    asked = (
        "SELECT to_regclass('catalogue_schema') IS NOT NULL, current_setting('server_encoding'),"
        " (SELECT count(*) FROM pg_tables WHERE schemaname = current_schema())"
    )
    is_catalogue, encoding, tables = connection.exec_driver_sql(asked).one()
    if encoding != "UTF8":
        raise CatalogueError(f"{url}: the encoding of the database is {encoding}; UTF8 is needed")
    if not is_catalogue and tables:
        raise CatalogueError(
            f"{url}: the database holds tables that are not a catalogue; create one for valenced"
        )
    if not is_catalogue:
        return 0
    number: int = connection.exec_driver_sql("SELECT version FROM catalogue_schema").scalar_one()
    return number


def _require_idle(connection: Connection, found: int, newest: int, url: str) -> None:
    process = connection.exec_driver_sql(_AT_WORK, {"lease_s": LEASE_S}).scalar()
    if process is not None:
        raise CatalogueBusy(
            f"{url}: process {process} of an earlier release works on it, and it must be"
            f" migrated from schema {found} to {newest}; stop every service first"
        )


def _require_known(found: int, newest: int, url: str) -> None:
    if found > newest:
        raise SchemaTooNew(
            f"{url}: schema {found} is of a later release; this release supports up to {newest}."
            " Nothing was changed: upgrade valenced"
        )
