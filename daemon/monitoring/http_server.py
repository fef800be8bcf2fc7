"""A small HTTP server for `/health` and `/metrics`, bounded in time, size and threads."""

from __future__ import annotations

import errno
import io
import ipaddress
import logging
import selectors
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Final

from config.errors import SettingsError, ValencedError
from daemon.paths import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

log = logging.getLogger(__name__)

AT_ONCE: Final = 8
REQUEST_S: Final = 5.0
REQUEST_BYTES: Final = 16 * 1024
_WRONG_ADDRESS: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL})


class ListenError(ValencedError):
    """The server cannot listen at an address at present."""


@dataclass(frozen=True)
class Reply:
    """The reply to a request."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True)
class _Site:
    """The replies of each path, and the host names under which they are given."""

    views: Mapping[str, Callable[[bool], Reply]]
    names: frozenset[str]


@contextmanager
def listening(
    address: str, views: Mapping[str, Callable[[bool], Reply]], passed: socket.socket | None = None
) -> Iterator[str]:
    """Answer requests at an address, for the duration of a block.

    A request gets five seconds and 16 KiB, and eight are answered at once; for one more, the one
    that has taken longest is broken off. While there are none, one thread sleeps.

    Args:
        address: `host:port`; port 0 takes any that is free.
        views: makes the reply of each path; called with whether JSON is accepted.
        passed: a socket that listens already; where, its systemd unit says.

    Yields:
        The address in use, as part of a URL.

    Raises:
        SettingsError: there is no such address.
        ListenError: it is in use, or this user may not use it.
    """
    host, _, port = address.rpartition(":")
    listener = _bound(address, host.strip("[]"), int(port)) if passed is None else passed
    where = listener.getsockname()
    if passed is not None and int(port) not in {0, where[1]}:
        log.warning(
            "page.listen = %s, but its socket unit says %s: run `valenced install` again, then"
            " restart the service",
            address,
            where[1],
        )
    if not ipaddress.ip_address(where[0]).is_loopback:
        log.warning(
            "page.listen = %s: other machines can reach this, and need no password", address
        )
    site = _Site(views, frozenset({host.lower(), "localhost"}))
    in_use = f"{host}:{where[1]}"
    # A shutdown would end the socket for systemd, too, which hands it over again later.
    awaited, wake = socket.socketpair()
    thread = threading.Thread(target=_serve, args=(listener, awaited, site), name="listener")
    with listener, awaited, wake:
        listener.setblocking(False)
        thread.start()
        log.info("listening at http://%s", in_use)
        try:
            yield in_use
        finally:
            wake.close()
            thread.join()


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
        listener.listen(4 * AT_ONCE)
    except OSError as error:
        listener.close()
        message = f"page.listen = {address!r}: {error.strerror or error}"
        if error.errno in _WRONG_ADDRESS:
            raise SettingsError([message]) from error
        raise ListenError(f"{message}; free it, or choose another") from error
    return listener


def _serve(listener: socket.socket, awaited: socket.socket, site: _Site) -> None:
    """Answer requests until the other side of `awaited` is closed."""
    free = threading.BoundedSemaphore(AT_ONCE)
    open_now = _Connections()

    def answer(connection: socket.socket, client: Any) -> None:
        try:
            with connection:
                _Request(connection, client, site)  # type: ignore[arg-type]
        except OSError as error:
            log.debug("%s: %s", client, error)
        except Exception:
            log.exception("a request could not be answered")
        finally:
            open_now.remove(connection)
            free.release()

    ready = selectors.DefaultSelector()
    ready.register(listener, selectors.EVENT_READ)
    ready.register(awaited, selectors.EVENT_READ)
    while True:
        if any(key.fileobj is awaited for key, _ in ready.select()):
            ready.close()
            return
        try:
            connection, client = listener.accept()
        except BlockingIOError:
            # The client was gone before it was accepted.
            continue
        except OSError:
            # Out of descriptors, for example: the service itself must not suffer from it.
            time.sleep(1)
            continue
        if not free.acquire(blocking=False):
            # Clients that send nothing would keep everybody else waiting.
            open_now.break_off_oldest()
            free.acquire()
        open_now.add(connection)
        # A request is short, and must not keep the service from ending.
        threading.Thread(target=answer, args=(connection, client), daemon=True).start()


class _Connections:
    """The open connections, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[socket.socket, None] = {}

    def add(self, connection: socket.socket) -> None:
        with self._lock:
            self._open[connection] = None

    def remove(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.pop(connection, None)

    def break_off_oldest(self) -> None:
        """End one for both sides; its thread, which wakes up, closes it."""
        with self._lock:
            oldest = next(iter(self._open), None)
            if oldest is not None:
                del self._open[oldest]
                with suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)


class _Bounded(io.RawIOBase):
    """The bytes that a client sends, limited in size and time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._until_s = time.monotonic() + REQUEST_S
        self._left = REQUEST_BYTES
        self.has_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; nothing once the size limit is reached."""
        self._connection.settimeout(max(self._until_s - time.monotonic(), 0.001))
        got = self._connection.recv_into(buffer, min(len(buffer), self._left)) if self._left else 0
        self._left -= got
        self.has_ended = not got
        return got


class _Request(BaseHTTPRequestHandler):
    """Answers one request, then closes the connection."""

    protocol_version = "HTTP/1.1"
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = "text/plain; charset=utf-8"
    server: _Site  # type: ignore[assignment]

    def setup(self) -> None:
        self.connection = self.request
        self._bounded = _Bounded(self.request)
        self.rfile = io.BufferedReader(self._bounded)
        self.wfile = io.BytesIO()

    def finish(self) -> None:
        self.request.settimeout(REQUEST_S)
        self.request.sendall(self.wfile.getvalue())  # type: ignore[attr-defined]

    def handle(self) -> None:
        self.close_connection = True
        try:
            self.raw_requestline = self.rfile.readline(REQUEST_BYTES)
            if self.raw_requestline and self.parse_request():
                self.close_connection = True
                if self._bounded.has_ended:
                    # Of a request that is cut off, the header that counts may be missing.
                    self.send_error(
                        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "cut off, or too long"
                    )
                else:
                    self._answer()
        except TimeoutError:
            self.send_error(HTTPStatus.REQUEST_TIMEOUT)

    def version_string(self) -> str:
        return "valenced"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        log.debug("request: %s", printable(format % args))

    def _answer(self) -> None:
        view = self.server.views.get(self.path.partition("?")[0])
        if not self._is_for_us():
            # DNS rebinding: a foreign page may have its name resolved to this machine.
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "unknown Host header")
        elif self.command not in {"GET", "HEAD"}:
            refusal = b"only GET and HEAD\n"
            self._send(Reply(HTTPStatus.METHOD_NOT_ALLOWED, self.error_content_type, refusal))
        elif view is None:
            self.send_error(HTTPStatus.NOT_FOUND, "there is " + " and ".join(self.server.views))
        else:
            self._send(view("application/json" in self.headers.get("Accept", "")))

    def _is_for_us(self) -> bool:
        """Whether `Host` is an address or one of our names."""
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1:
            return False
        host = hosts[0].strip().lower()
        if not host.endswith("]"):
            name, colon, port = host.rpartition(":")
            host = name if colon and port.isdecimal() else host
        if host in self.server.names:
            return True
        try:
            ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
        return True

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Allow", "GET, HEAD")
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
