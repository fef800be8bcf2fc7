"""Opens a catalogue on a PostgreSQL server at the newest schema."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from storage.database.postgresql_schema import prepare_schema
from storage.database.server_address import message_of, require_usable_address
from storage.schema.catalogue_errors import CatalogueError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine, ExceptionContext

CONNECT_TIMEOUT_S: Final = 10
"""For each address of the server's name."""

_READ: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

# As those of SQLite, writers take turns, on which what reads before it writes relies. Who waits too
# long gets an error, and who has vanished from the network loses its turn.
_TAKE_TURN: Final = (
    "SELECT set_config('lock_timeout', '30s', true),"
    " set_config('idle_in_transaction_session_timeout', '60s', true),"
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
            # A connection that a restart of the server has closed is replaced.
            pool_pre_ping=True,
            # Each consumer may hold one; what is too much for the server, the server says.
            max_overflow=-1,
            connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "valenced"},
        )
    except ModuleNotFoundError as error:
        raise CatalogueError(
            f"{url}: PostgreSQL needs a package that is not installed;"
            " install valenced[postgresql] instead of valenced"
        ) from error
    except (ArgumentError, NoSuchModuleError, ValueError, TypeError) as error:
        raise CatalogueError(f"{url}: {' '.join(str(error).split())}") from error
    if service is not None:
        event.listen(engine, "connect", partial(_name_service, service))
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", partial(_translate, url))
    try:
        prepare_schema(engine, url)
    except CatalogueError:
        engine.dispose()
        raise
    return engine.execution_options(read_only=True) if reads_only else engine


def _name_service(service: str, connection: Any, _record: object) -> None:
    connection.execute("SELECT set_config('valenced.service', %s, false)", (service,))
    connection.commit()


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("read_only"):
        connection.exec_driver_sql(_READ)
    elif not options.get("takes_no_turn"):
        connection.exec_driver_sql(_TAKE_TURN)


def _translate(url: str, context: ExceptionContext) -> None:
    # The pool itself handles a connection that is found closed before it is used.
    if isinstance(context.sqlalchemy_exception, DBAPIError) and not context.is_pre_ping:
        error = context.original_exception
        raise CatalogueError(f"{url}: {message_of(error)}") from error
