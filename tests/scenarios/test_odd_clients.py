"""A running service, and clients of its page that are slow, odd or hostile."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.driving import PATIENCE_S, Running, Valenced
from tests.sounds import music_like, write_audio

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = b"Host: localhost\r\nConnection: close\r\n"
WHOLE = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
CROWD = 100
MOST_DESCRIPTORS = 40
MOST_MEBIBYTES = 48


class Service(NamedTuple):
    """A running service, its address, and the folder that it watches."""

    running: Running
    port: int
    music: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)

    def health(self) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with closing(connection):
            connection.request("GET", "/health")
            answer = connection.getresponse()
            return answer.status, answer.read()

    def exchange(self, request: bytes) -> bytes:
        """Send a request; return all that comes, which may be cut off where it was refused."""
        with self.connect() as connection:
            with suppress(OSError):
                connection.sendall(request)
                # Who ends its side of a whole request gets no answer, as if it had gone.
                if not request.endswith(b"\r\n\r\n"):
                    connection.shutdown(socket.SHUT_WR)
            return received(connection)

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.running.process.pid}/fd").iterdir()))

    def mebibytes(self) -> int:
        lines = Path(f"/proc/{self.running.process.pid}/status").read_text().splitlines()
        (found,) = (line for line in lines if line.startswith("RssAnon"))
        return int(found.split()[1]) >> 10


def received(connection: socket.socket) -> bytes:
    """Return what comes until the end, or until the other side breaks off."""
    pieces = []
    with suppress(OSError):
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "music").mkdir()
    valenced = Valenced(folder / "state", "watch.settle_s=0.3", "page.listen=127.0.0.1:0")
    with valenced.start("run", folder / "music") as running:
        port = int(running.wait_for("listening at http://").rpartition(":")[2])
        running.wait_for("watching")
        made = Service(running, port, folder / "music")
        assert made.health() == (200, b"ok\n")
        yield made
        assert made.health() == (200, b"ok\n")
        assert running.stop() == 0


def line(text: bytes) -> bytes:
    return text + b"\r\n" + HOST + b"\r\n"


ODD = {
    "nothing": (b"", b""),
    "line ends": (b"\r\n" * 2000, b""),
    "binary": (os.urandom(4096).replace(b"\n", b"x") + b"\r\n\r\n", b"4"),
    "zeros": (b"\0" * 20_000, b"4"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), b"4"),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"4"),
    "HTTP/0.9": (b"GET /health\r\n", b"4"),
    "version": (line(b"GET /health HTTP/9.9"), b"4"),
    "no version": (line(b"GET /health FTP"), b"4"),
    "method": (line(b"BREW /health HTTP/1.1"), b"405"),
    "long method": (line(b"G" * 15_000 + b" /health HTTP/1.1"), b"4"),
    "connect": (line(b"CONNECT evil.example:443 HTTP/1.1"), b"4"),
    "absolute": (line(b"GET http://evil.example/health HTTP/1.1"), b"4"),
    "file": (line(b"GET file:///etc/passwd HTTP/1.1"), b"4"),
    "out of the folder": (line(b"GET /../../etc/passwd HTTP/1.1"), b"4"),
    "escaped": (line(b"GET /%2e%2e/%00/health HTTP/1.1"), b"4"),
    "slashes": (line(b"GET //health HTTP/1.1"), b"4"),
    "star": (line(b"OPTIONS * HTTP/1.1"), b"4"),
    "long path": (line(b"GET /" + b"x" * 70_000 + b" HTTP/1.1"), b"4"),
    "long header": (b"GET /health HTTP/1.1\r\n" + b"X: " + b"x" * 70_000 + b"\r\n\r\n", b"4"),
    "many headers": (b"GET /health HTTP/1.1\r\n" + b"X: x\r\n" * 2000 + HOST + b"\r\n", b"200"),
    "folded": (b"GET /health HTTP/1.1\r\nHost: localhost\r\n evil.example\r\n\r\n", b"4"),
    "no host": (b"GET /health HTTP/1.1\r\n\r\n", b"4"),
    "two hosts": (b"GET /health HTTP/1.1\r\n" + HOST * 2 + b"\r\n", b"4"),
    "foreign host": (b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"421"),
    "rebinding": (b"GET /health HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", b"421"),
    "host with user": (b"GET /health HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n", b"421"),
    "address": (b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", b"200"),
    "body": (b"GET /health HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello", b"200"),
    "post": (line(b"POST /health HTTP/1.1")[:-2] + b"Content-Length: 2\r\n\r\nab", b"4"),
    "chunked": (
        b"POST /health HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n",
        b"4",
    ),
    "pipelined": (WHOLE * 50, b"200"),
    "half": (WHOLE[:-2], b"4"),
    "injection": (line(b"GET /health?\x1b[2J%0d%0aSet-Cookie: HTTP/1.1"), b"4"),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_request_gets_a_plain_refusal_and_the_next_its_answer(
    service: Service, kind: str
) -> None:
    request, status = ODD[kind]
    answer = service.exchange(request)
    # Who still sends may be cut off before the refusal arrives; who speaks no HTTP gets a line.
    if answer.startswith(b"HTTP/"):
        assert answer.split(b" ")[1].startswith(status)
    assert status == b"200" or b"200 OK" not in answer
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert b"Traceback" not in answer
    assert b"\x1b" not in answer
    assert service.health() == (200, b"ok\n")


@pytest.mark.parametrize(
    "start",
    [b"", b"G", b"GET /health HTTP/1.1\r\nHost: ", WHOLE[:-2], b"POST / HTTP/1.1\r\n", WHOLE],
    ids=["silent", "a letter", "half a header", "no end", "half a post", "never reads"],
)
def test_a_crowd_that_hangs_keeps_nobody_from_an_answer(service: Service, start: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(CROWD):
            client = stack.enter_context(service.connect())
            with suppress(OSError):
                client.sendall(start)
        assert service.health() == (200, b"ok\n")
        assert service.descriptors() <= MOST_DESCRIPTORS


def test_the_service_works_on_while_a_crowd_hangs(service: Service) -> None:
    with ExitStack() as stack:
        for _ in range(CROWD):
            stack.enter_context(service.connect())
        write_audio(service.music / "a.flac", music_like(1.5))
        service.running.wait_for("a.flac: arousal")
        assert service.health() == (200, b"ok\n")


def send_without_end(client: socket.socket, content: bytes) -> None:
    while True:
        client.sendall(content)


def test_a_header_that_never_ends_is_broken_off_in_little_memory(service: Service) -> None:
    before = service.mebibytes()
    for start, more in ((b"X: ", b"x" * (1 << 20)), (b"", b"X-y: y\r\n" * 100_000)):
        with service.connect() as client:
            client.sendall(b"GET /health HTTP/1.1\r\n" + start)
            with pytest.raises(ConnectionError):
                send_without_end(client, more)
    assert service.health() == (200, b"ok\n")
    assert service.mebibytes() - before < MOST_MEBIBYTES


def test_hundreds_of_requests_leave_nothing_open(service: Service) -> None:
    service.health()
    before = service.descriptors()
    for _ in range(300):
        with service.connect() as client:
            client.sendall(WHOLE)
            assert received(client).endswith(b"ok\n")
    assert service.descriptors() <= before + 2
