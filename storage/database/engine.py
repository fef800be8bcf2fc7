"""Opens the SQLite file, brings its schema up to date, and keeps a second service out."""

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

from storage.database.migrate import migrate
from storage.schema.catalogue_errors import CatalogueBusy, CatalogueError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine, ExceptionContext

BUSY_TIMEOUT_S = 30
LOOKS_TO_WAIT_FOR, LOOK_S = 10, 0.02


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


def open_engine(url: str) -> Engine:
    """Open the catalogue's file, making it and its folder where needed, at the newest schema.

    Raises:
        CatalogueError: the file cannot be opened, or is no catalogue.
        SchemaTooNew: a later release wrote it.
    """
    file = file_of(url)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CatalogueError(f"{file.parent}: cannot be made: {error.strerror}") from error
    engine = create_engine(
        url, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", _translate)
    try:
        migrate(engine, others=_others(url))
    except CatalogueError:
        engine.dispose()
        raise
    return engine


@contextmanager
def only_writer(url: str) -> Iterator[None]:
    """Hold the one lock there is for each catalogue; the kernel frees it however we end.

    Raises:
        CatalogueBusy: another process holds it; the message says which.
        CatalogueError: the lock cannot be made.
    """
    lock = file_of(url).with_suffix(".lock")
    try:
        lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CatalogueError(f"{lock}: cannot be made: {error.strerror}") from error
    try:
        try:
            _lock(descriptor)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise CatalogueBusy(
                f"{file_of(url)}: process {holder} already works on this catalogue; stop it first"
            ) from error
        os.ftruncate(descriptor, 0)
        # The number is only for the message above; a disk without room for it is told of later.
        with suppress(OSError):
            os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Take the lock; somebody who only looks whether it is held lets go in no time."""
    for _ in range(LOOKS_TO_WAIT_FOR):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_S)
        else:
            return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def writer_of(url: str) -> int | None:
    """Return the number of the process that works on a catalogue, None if none does."""
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


def _others(url: str) -> int | None:
    """Return the process that works on a catalogue, unless it is we."""
    holder = writer_of(url)
    return None if holder == os.getpid() else holder


def _prepare(connection: Any, _record: object) -> None:
    # Transactions are begun by `_begin`, not by the driver's guesses.
    connection.isolation_level = None
    connection.text_factory = os.fsdecode
    if connection.execute("PRAGMA page_count").fetchone() == (0,):
        # Counts for an empty file only, and would be written into any other each time.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    # A deferred transaction that turns into a writer cannot wait for its turn; this one can.
    mode = "DEFERRED" if connection.get_execution_options().get("read_only") else "IMMEDIATE"
    connection.exec_driver_sql(f"BEGIN {mode}")


def _translate(context: ExceptionContext) -> None:
    error = context.original_exception
    if isinstance(error, sqlite3.Error):
        database = context.engine.url.database if context.engine else "the catalogue"
        raise CatalogueError(f"{database}: {error}") from error
