"""Opens the catalogue's SQLite file at the newest schema, and locks it against a second service."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from storage.database.catalogue_copy import BUSY_TIMEOUT_S
from storage.database.migrate import migrate
from storage.schema.catalogue_errors import CatalogueBusy, CatalogueError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine, ExceptionContext

LOCK_ATTEMPTS, LOCK_PAUSE_S = 10, 0.02


def file_of(url: str) -> Path:
    """Return the file behind an SQLite URL.

    Raises:
        CatalogueError: the URL names no file.
    """
    try:
        database = make_url(url).database
    except ArgumentError as error:
        raise CatalogueError(
            f"{url}: not a database URL; sqlite:////path.db is accepted"
        ) from error
    if not database or database == ":memory:":
        raise CatalogueError(f"{url}: the catalogue must be a file: sqlite:////path.db")
    return Path(database)


def absolute_url(url: str) -> str:
    """Return the URL of the same file for a process in another directory.

    Raises:
        CatalogueError: as `file_of`.
    """
    file = file_of(url).absolute()
    return make_url(url).set(database=str(file)).render_as_string(hide_password=False)


def open_engine(url: str) -> Engine:
    """Open the catalogue's file at the newest schema; create it and its folder where needed.

    Raises:
        CatalogueError: the file cannot be opened, or is not a catalogue.
        SchemaTooNew: a later release wrote it.
    """
    file = file_of(url)
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
    return engine


@contextmanager
def only_writer(url: str) -> Iterator[None]:
    """Hold the catalogue's lock, which the kernel frees when the process ends.

    Raises:
        CatalogueBusy: another process holds it; the message says which.
        CatalogueError: the lock file cannot be created.
    """
    lock = file_of(url).with_suffix(".lock")
    try:
        lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CatalogueError(f"{lock}: cannot be created: {error.strerror}") from error
    try:
        try:
            _lock(descriptor)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise CatalogueBusy(
                f"{file_of(url)}: process {holder} already works on this catalogue; stop it first"
            ) from error
        os.ftruncate(descriptor, 0)
        # The process id is only for the message above, so a full disk does not matter here.
        with suppress(OSError):
            os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Take the lock; `writer_of` in another process holds it only for a moment."""
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_PAUSE_S)
        else:
            return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def writer_of(url: str) -> int | None:
    """Return the id of the process that works on a catalogue, None if none does."""
    try:
        descriptor = os.open(file_of(url).with_suffix(".lock"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(descriptor, 32, 0) or 0)
    else:
        return None
    finally:
        os.close(descriptor)


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


def _begin(connection: Connection) -> None:
    # A deferred transaction cannot wait for another writer when it begins to write.
    mode = "DEFERRED" if connection.get_execution_options().get("read_only") else "IMMEDIATE"
    connection.exec_driver_sql(f"BEGIN {mode}")


def _translate(context: ExceptionContext) -> None:
    error = context.original_exception
    if isinstance(error, sqlite3.Error):
        database = context.engine.url.database if context.engine else "the catalogue"
        raise CatalogueError(f"{database}: {error}") from error
