"""Opens a catalogue on a PostgreSQL server at the newest schema."""

from __future__ import annotations

import select
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, NoSuchModuleError

from storage.database.postgresql_schema import prepare_schema
from storage.database.server_address import message_of, require_usable_address
from storage.schema.catalogue_errors import CatalogueError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine, ExceptionContext

CONNECT_TIMEOUT_S: Final = 10
"""For each address of the server's name."""

LOCK_TIMEOUT: Final = "30s"

# The driver would begin transactions with a statement of its own, and wait for its answer.
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
            # As many as are used at once, one for each consumer, are kept: to connect takes longer
            # than most statements. What is too much for the server, the server says.
            pool_size=0,
            connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "valenced"},
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
    event.listen(engine, "checkout", _require_open)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", partial(_translate, url))
    try:
        prepare_schema(engine, url)
    except CatalogueError:
        engine.dispose()
        raise
    if reads_only:
        engine.dispose()
        event.listen(engine, "connect", partial(_set, "default_transaction_read_only", "on"))
    return engine


def _set(name: str, value: str, connection: Any, _record: object) -> None:
    connection.execute("SELECT set_config(%s, %s, false)", (name, value))


def _require_open(connection: Any, _record: object, _borrowed: object) -> None:
    """Have the pool replace a connection that a restart of the server has closed.

    The pool's own test (`pool_pre_ping`) waits for an answer of the server before each use. Nothing
    but an end, or news of one, comes on a connection on which nothing was asked.
    """
    poll = select.poll()
    if not connection.closed:
        poll.register(connection.fileno(), select.POLLIN)
    if connection.closed or poll.poll(0):
        raise DisconnectionError


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
