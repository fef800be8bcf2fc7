"""Opens the address of the page, or takes it over from systemd."""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
from typing import Final

from config.errors import SettingsError, ValencedError

log = logging.getLogger(__name__)

_BACKLOG: Final = 128
_WRONG_ADDRESS: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL})


class ListenError(ValencedError):
    """The page cannot listen at an address at present."""


def listening_socket(address: str, passed: socket.socket | None = None) -> socket.socket:
    """Return a socket that listens at an address.

    Args:
        address: `host:port`; port 0 takes any that is free.
        passed: a socket that listens already; where, its systemd unit says.

    Raises:
        SettingsError: there is no such address.
        ListenError: it is in use, or this user may not use it.
    """
    host, _, port = address.rpartition(":")
    listener = _bound(address, host.strip("[]"), int(port)) if passed is None else passed
    if passed is not None and int(port) not in {0, passed.getsockname()[1]}:
        log.warning(
            "page.listen = %s, but its socket unit says %s: run `valenced install` again, then"
            " restart the service",
            address,
            passed.getsockname()[1],
        )
    return listener


def address_in_use(address: str, listener: socket.socket) -> str:
    """Return the address at which a socket listens, as part of a URL."""
    host, _, _ = address.rpartition(":")
    return f"{host}:{listener.getsockname()[1]}"


def is_reached_by_others(listener: socket.socket) -> bool:
    """Whether other machines may reach a socket."""
    return not ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def _bound(address: str, host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise SettingsError([f"page.listen = {address!r}: there is no host {host!r}"]) from error
    try:
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        advice = "; if its systemd unit forbids it: run `valenced install` again, and restart it"
        message = f"page.listen = {address!r}: {error.strerror or error}{advice}"
        raise SettingsError([message]) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        message = f"page.listen = {address!r}: {error.strerror or error}"
        if error.errno in _WRONG_ADDRESS:
            raise SettingsError([message]) from error
        raise ListenError(f"{message}; free it, or choose another") from error
    return listener
