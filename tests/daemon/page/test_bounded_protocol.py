"""However many clients are slow, the page answers the others, and holds few connections."""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from daemon.page.http import bounded_protocol, page_server
from daemon.page.http.bounded_protocol import MOST_CONNECTIONS, BoundedProtocol
from tests.daemon.page.page_client import served
from tests.driving import PATIENCE_S

if TYPE_CHECKING:
    import socket

    from tests.daemon.page.conftest import Library
    from tests.daemon.page.page_client import PageClient

CLIENTS = 200


def is_open(client: socket.socket) -> bool:
    """Whether the other side has not ended a connection."""
    client.setblocking(False)
    try:
        while client.recv(65536):
            pass
    except BlockingIOError:
        return True
    except ConnectionError:
        return False
    return False


def rest_of(client: socket.socket) -> bytes:
    """Return what comes until the other side ends a connection."""
    found = bytearray()
    with suppress(ConnectionError):
        while piece := client.recv(1 << 20):
            found += piece
    return bytes(found)


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"GET /health HTTP/1.1\r\nHost: ",
        b"POST /api/v1/export HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n",
    ],
)
def test_silent_clients_do_not_block_others(page: PageClient, request_: bytes) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(page.connect()) for _ in range(CLIENTS)]
        for client in clients:
            try:
                client.sendall(request_)
            except ConnectionError:
                continue
        assert page.get("/health").status == 200
        assert sum(map(is_open, clients)) <= MOST_CONNECTIONS


def test_slow_readers_do_not_block_others(page: PageClient, library: Library) -> None:
    """A song of 64 MB, of which none takes more than the kernel holds for it."""
    file = library.music / "a" / "loud.wav"
    content = file.read_bytes()
    file.write_bytes(bytes(64 << 20))
    path = f"/api/v1/sounds/{library.numbers['a/loud.wav']}/audio"
    request = page.asked(path)
    try:
        with ExitStack() as stack:
            clients = [stack.enter_context(page.connect()) for _ in range(CLIENTS)]
            for client in clients:
                try:
                    client.sendall(request)
                except ConnectionError:
                    continue
            assert page.get("/health").status == 200
            assert page.get(path, Range="bytes=5-8").body == bytes(4)
    finally:
        file.write_bytes(content)


@pytest.mark.parametrize("request_", [b"", b"GET /health HTTP/1.1\r\nHost: "])
def test_a_request_that_does_not_arrive_is_given_up(
    library: Library, monkeypatch: pytest.MonkeyPatch, request_: bytes
) -> None:
    monkeypatch.setattr(bounded_protocol, "REQUEST_S", 0.05)
    with served(library.catalogue) as page, page.connect() as client:
        client.sendall(request_)
        # It ends, rather than waits for the patience of the test.
        assert not rest_of(client)


def test_who_does_not_read_is_given_up(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    given_up = threading.Event()

    class Observed(BoundedProtocol):
        def break_off(self) -> None:
            super().break_off()
            given_up.set()

    monkeypatch.setattr(bounded_protocol, "UNREAD_S", 0.05)
    monkeypatch.setattr(page_server, "BoundedProtocol", Observed)
    file = library.music / "a" / "loud.wav"
    content = file.read_bytes()
    file.write_bytes(bytes(64 << 20))
    path = f"/api/v1/sounds/{library.numbers['a/loud.wav']}/audio"
    try:
        with served(library.catalogue) as page, page.connect() as client:
            client.sendall(page.asked(path))
            assert given_up.wait(PATIENCE_S)
            # What the kernel has taken by now still comes, the end of it does not.
            assert len(rest_of(client)) < 64 << 20
    finally:
        file.write_bytes(content)
