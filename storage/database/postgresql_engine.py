"""Opens a catalogue on a PostgreSQL server at the newest schema."""

from __future__ import annotations

import math
import select
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, NoSuchModuleError

from storage.database.postgresql_schema import prepare_schema
from storage.database.server_address import message_of, require_usable_address
from storage.schema.catalogue_errors import CatalogueError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine, ExceptionContext
    from sqlalchemy.pool import ConnectionPoolEntry

_CONNECT: Final = {
    "application_name": "valenced",
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 50_000,
}
"""Parameters of libpq where the URL has no others. By the last four, a server that vanishes from
the network without a word is noticed within a minute; the kernel alone would wait for hours."""

LOCK_TIMEOUT: Final = "30s"
LONG_IDLE_S: Final = 60.0
"""A connection that was idle for longer is tried out before it is used."""
_FEW: Final = 5

# The driver would begin transactions with a statement of its own: one more round trip.
_BEGIN: Final = "BEGIN"
_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"

# As those of SQLite, writers take turns, on which what reads before it writes relies. Who waits too
# long gets an error, and who has vanished from the network loses its turn.
_TAKE_TURN: Final = (
    f"{_BEGIN}; SELECT set_config('idle_in_transaction_session_timeout', '60s', true),"
    " pg_advisory_xact_lock(hashtext('valenced'), hashtext(current_schema()))"
)


def open_on_server(url: str, *, reads_only: bool = False, service: str | None = None) -> Engine:
    """Open a catalogue on a server at the newest schema; create its tables where needed.

    Args:
        url: names the database.
        reads_only: whether, once it is at the newest schema, its connections refuse to write.
        service: whose the claims of files are.

    Raises:
        CatalogueError: the server cannot be reached, the database is not a catalogue, or the extra
            `postgresql` is not installed.
        SchemaTooNew: a later release wrote it.
    """
    require_usable_address(url)
    try:
        engine = create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            # A service keeps as many as it uses at once, one for each consumer: to connect takes
            # longer than most statements. What is too much for the server, the server says.
            pool_size=_FEW if service is None else 0,
            max_overflow=-1,
            connect_args={k: _CONNECT[k] for k in _CONNECT.keys() - make_url(url).query.keys()},
        )
    except ModuleNotFoundError as error:
        raise CatalogueError(
            f"{url}: PostgreSQL needs a package that is not installed;"
            " install valenced[postgresql] instead of valenced"
        ) from error
    except (ArgumentError, NoSuchModuleError, ValueError, TypeError) as error:
        raise CatalogueError(f"{url}: {' '.join(str(error).split())}") from error
    event.listen(engine, "connect", partial(_set, "lock_timeout", LOCK_TIMEOUT))
    if service is not None:
        event.listen(engine, "connect", partial(_set, "valenced.service", service))
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _require_open)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", partial(_translate, url))
    try:
        prepare_schema(engine, url)
    except CatalogueError:
        engine.dispose()
        raise
    if not reads_only:
        return engine
    refuse = partial(_set, "default_transaction_read_only", "on")
    event.listen(engine, "connect", refuse)
    with closing(engine.raw_connection()) as prepared:
        refuse(prepared.driver_connection, None)
    return engine.execution_options(read_only=True)


def _set(name: str, value: str, connection: Any, _record: object) -> None:
    connection.execute("SELECT set_config(%s, %s, false)", (name, value))


def _note_use(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["used_s"] = time.monotonic()


def _require_open(connection: Any, record: ConnectionPoolEntry, _borrowed: object) -> None:
    """Have the pool replace a connection that has been closed.

    The pool's own test (`pool_pre_ping`) is a round trip to the server before each use. Nothing
    but an end, or news of one, comes on a connection on which nothing was asked. Only what was idle
    for long is tried out: what lies between may have forgotten it.
    """
    poll = select.poll()
    try:
        poll.register(connection.fileno(), select.POLLIN)
        if poll.poll(0):
            raise DisconnectionError
        if time.monotonic() - record.info.get("used_s", math.inf) > LONG_IDLE_S:
            connection.execute("SELECT 1")
    except connection.Error as error:
        raise DisconnectionError from error


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("one_statement"):
        return
    first = _BEGIN if options.get("takes_no_turn") else _TAKE_TURN
    connection.exec_driver_sql(_READ if options.get("read_only") else first)


def _translate(url: str, context: ExceptionContext) -> None:
    if isinstance(context.sqlalchemy_exception, DBAPIError):
        error = context.original_exception
        raise CatalogueError(f"{url}: {message_of(error)}") from error
