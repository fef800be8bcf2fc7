"""Takes over a listening socket that systemd has opened and hands to the service.

A service that gets its socket needs no network of its own: neither a namespace with one, nor a call
that opens a network socket. The protocol is that of `sd_listen_fds` (systemd).
"""

from __future__ import annotations

import logging
import os
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

log = logging.getLogger(__name__)

_FIRST: Final = 3
_MOST: Final = 64


def take_listener(
    environment: MutableMapping[str, str], first: int = _FIRST
) -> socket.socket | None:
    """Return the listening socket that this process got, None without one.

    The variables that say so are removed: no child gets the socket. Others that were handed over
    are closed.
    """
    names = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
    receiver, count, _ = (environment.pop(name, "") for name in names)
    if receiver != str(os.getpid()) or not count.isascii() or not count.isdecimal():
        return None
    found = None
    for descriptor in range(first, first + min(int(count), _MOST)):
        try:
            passed = socket.socket(fileno=descriptor)
        except OSError as error:
            log.warning("descriptor %d of systemd is no socket: %s", descriptor, error.strerror)
            with suppress(OSError):
                os.close(descriptor)
            continue
        passed.set_inheritable(False)
        if found is None and _listens(passed):
            found = passed
        else:
            passed.close()
    return found


@contextmanager
def passed_listener(
    address: str, environment: MutableMapping[str, str], first: int = _FIRST
) -> Iterator[socket.socket | None]:
    """Yield the listening socket that this process got, closed at the end of the block.

    None without one, or if it serves no `address`.
    """
    passed = take_listener(environment, first)
    if passed is not None and not address:
        passed.close()
        passed = None
    try:
        yield passed
    finally:
        if passed is not None:
            passed.close()


def _listens(passed: socket.socket) -> bool:
    try:
        listens = passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError:
        return False
    return passed.type is socket.SOCK_STREAM and bool(listens)
