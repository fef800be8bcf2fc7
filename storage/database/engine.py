"""Opens the catalogue, an SQLite file or a database on a server, at the newest schema."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url

from storage.database.catalogue_copy import BUSY_TIMEOUT_S
from storage.database.catalogue_file import file_of, writer_of
from storage.database.migrate import migrate
from storage.database.server_address import is_on_server
from storage.database.sqlite_library import require_usable_sqlite
from storage.schema.catalogue_errors import CatalogueError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine, ExceptionContext


def absolute_url(url: str) -> str:
    """Return the URL of the same catalogue for a process in another directory.

    Raises:
        CatalogueError: as `file_of`.
    """
    if is_on_server(url):
        return url
    file = file_of(url).absolute()
    return make_url(url).set(database=str(file)).render_as_string(hide_password=False)


def open_engine(url: str, *, reads_only: bool = False, service: str | None = None) -> Engine:
    """Open the catalogue at the newest schema; create its file and folder where needed.

    Args:
        url: names the file, or the database on a server.
        reads_only: whether, once it is at the newest schema, its connections refuse to write.
        service: whose the claims of files on a server are.

    Raises:
        CatalogueError: it cannot be opened or is not a catalogue, or SQLite lacks something.
        SchemaTooNew: a later release wrote it.
    """
    if is_on_server(url):
        from storage.database.postgresql_engine import open_on_server  # noqa: PLC0415 - an extra

        return open_on_server(url, reads_only=reads_only, service=service)
    return _open_file(url, reads_only=reads_only)


def _open_file(url: str, *, reads_only: bool) -> Engine:
    file = file_of(url)
    require_usable_sqlite()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CatalogueError(f"{file.parent}: cannot be created: {error.strerror}") from error
    # For its owner alone, whatever the umask; SQLite gives its other files the same mode. If it
    # cannot be created, SQLite says why.
    with suppress(OSError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    engine = create_engine(
        url, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", _translate)
    try:
        holder = writer_of(url)
        migrate(engine, others=None if holder == os.getpid() else holder)
    except CatalogueError:
        engine.dispose()
        raise
    if reads_only:
        engine.dispose()
        event.listen(engine, "connect", _refuse_to_write)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    # `_begin` starts the transactions, not the driver.
    connection.isolation_level = None
    connection.text_factory = os.fsdecode
    if connection.execute("PRAGMA page_count").fetchone() == (0,):
        # Has an effect on an empty file only.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _refuse_to_write(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("one_statement"):
        return
    # A deferred transaction cannot wait for another writer when it begins to write.
    mode = "DEFERRED" if options.get("read_only") else "IMMEDIATE"
    connection.exec_driver_sql(f"BEGIN {mode}")


def _translate(context: ExceptionContext) -> None:
    error = context.original_exception
    if isinstance(error, sqlite3.Error):
        database = context.engine.url.database if context.engine else "the catalogue"
        raise CatalogueError(f"{database}: {error}") from error
