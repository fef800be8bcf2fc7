"""Where a catalogue is, and the lock on its file that only one service holds.

SQLAlchemy is not needed for it, whose import takes half a second of processor time.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from storage.database.server_address import is_on_server
from storage.schema.catalogue_errors import CatalogueBusy, CatalogueError

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK_ATTEMPTS, LOCK_PAUSE_S = 10, 0.02

_PLAIN: Final = "sqlite:///"


def file_of(url: str) -> Path:
    """Return the file behind an SQLite URL.

    Raises:
        CatalogueError: the URL names no file.
    """
    if url.startswith(_PLAIN) and "?" not in url:
        database: str | None = url.removeprefix(_PLAIN)
    else:
        database = _database_of(url)
    if not database or database == ":memory:":
        raise CatalogueError(f"{url}: the catalogue must be a file: sqlite:////path.db")
    return Path(database)


def place_of(url: str) -> str:
    """Return the file of a catalogue, or the URL of its database on a server; for messages."""
    return url if is_on_server(url) else str(file_of(url))


def is_there(url: str) -> bool:
    """Tell whether a catalogue exists; one on a server always counts, as opening it makes it."""
    return is_on_server(url) or file_of(url).exists()


@contextmanager
def only_writer(url: str) -> Iterator[None]:
    """Hold the catalogue's lock, which the kernel frees when the process ends.

    Raises:
        CatalogueBusy: another process holds it; the message says which.
        CatalogueError: the lock file cannot be created.
    """
    file = file_of(url)
    with only_process(file.with_suffix(".lock"), file, "works on this catalogue"):
        yield


@contextmanager
def only_process(lock: Path, of: Path, does: str) -> Iterator[None]:
    """Hold a lock file, which the kernel frees when the process ends.

    Args:
        lock: the file; it and its folder are created.
        of: what it protects, and what its holder does, for the message.
        does: as above.

    Raises:
        CatalogueBusy: another process holds it; the message says which.
        CatalogueError: the lock file cannot be created.
    """
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
            raise CatalogueBusy(f"{of}: process {holder} already {does}; stop it first") from error
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
    """Return the id of the process that works on a catalogue, None if none does.

    Raises:
        CatalogueError: it is on a server, which cannot be reached.
    """
    if is_on_server(url):
        from storage.database.service_lease import main_process  # noqa: PLC0415 - an extra

        return main_process(url)
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


_ACCEPTED = '"sqlite:////absolute/path.db" or "postgresql+psycopg://user@host/database" is accepted'


def _database_of(url: str) -> str | None:
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - few URLs need it
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    try:
        address = make_url(url)
    except ArgumentError as error:
        raise CatalogueError(f"{url}: not a database URL; {_ACCEPTED}") from error
    if address.get_backend_name() != "sqlite":
        raise CatalogueError(f"{address.render_as_string()}: {_ACCEPTED}")
    return address.database
