"""The address of a catalogue on a PostgreSQL server.

SQLAlchemy is not needed for it, whose import takes half a second of processor time.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

from storage.schema.catalogue_errors import CatalogueError

SCHEME: Final = "postgresql+psycopg://"
PORT: Final = 5432


def is_on_server(url: str) -> bool:
    """Tell whether a catalogue's URL names a database of PostgreSQL."""
    return url.startswith(SCHEME)


def require_usable_address(url: str) -> None:
    """Raise CatalogueError if a URL names no database, or holds a password.

    Other processes get the URL as an argument, which everybody on the machine can read.
    """
    try:
        parts = urlsplit(url)
        has_password = parts.password is not None or "password" in parse_qs(parts.query)
        is_complete = parts.port != 0 and len(parts.path) > 1
    except ValueError:
        # What is wrong with it may be in the password.
        raise CatalogueError(f"catalogue.url: not an address; {_ACCEPTED}") from None
    if has_password:
        raise CatalogueError(
            "catalogue.url: a password is not accepted here, as others could read it; put it into"
            " the file ~/.pgpass of the service's user, or another that PGPASSFILE names"
        )
    if not is_complete:
        raise CatalogueError(f"catalogue.url: names no database; {_ACCEPTED}")


def server_host(url: str) -> str | None:
    """Return host and port of a server that is reached by TCP, None for a socket or a file."""
    if not is_on_server(url):
        return None
    parts = urlsplit(url)
    named = parse_qs(parts.query).get("host", [""])[-1]
    host = parts.hostname or named
    if not host or host.startswith("/"):
        return None
    return f"[{host}]:{parts.port or PORT}" if ":" in host else f"{host}:{parts.port or PORT}"


def message_of(error: BaseException) -> str:
    """Return what the server or its driver says in one line, without the statement."""
    from_server = getattr(getattr(error, "diag", None), "message_primary", None)
    return " ".join(str(from_server or error).split())


_ACCEPTED: Final = f"{SCHEME}user@host/database is accepted"
