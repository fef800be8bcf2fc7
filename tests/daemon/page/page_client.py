"""A page in this process, at a real socket, and a client of it."""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from config.loading import load
from daemon.clock import utc_now
from daemon.monitoring.listening_socket import address_in_use, listening_socket
from daemon.monitoring.page_messages import PageConfig
from daemon.monitoring.status_replies import StatusReplies
from daemon.page.serving import page_server
from storage.catalogue import Catalogue
from tests.driving import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.page.routes.page_context import ServiceReplies

ANYWHERE: Final = "127.0.0.1:0"
TOKEN: Final = "token-of-this-test"


class Answer(NamedTuple):
    """An answer of the page."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class PageClient:
    """Asks a page at an address."""

    def __init__(self, address: str, token: str = TOKEN) -> None:
        self.address = address
        self.token = token

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.send(method, path, None, {"X-Valenced-Token": self.token} | named)

    def read(self, path: str) -> Any:
        answer = self.get(path)
        assert answer.status == 200, answer.body
        return answer.document

    def change(self, method: str, path: str, document: Any = None, status: int = 200) -> Any:
        """Send a request as the page does that changes something."""
        headers = {"X-Valenced-Token": self.token, "Origin": f"http://{self.address}"}
        body = None
        if document is not None:
            body, headers["Content-Type"] = json.dumps(document).encode(), "application/json"
        answer = self.send(method, path, body, headers)
        assert answer.status == status, answer.body
        return answer.document

    def send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Answer:
        host, _, port = self.address.rpartition(":")
        with closing(HTTPConnection(host, int(port), timeout=PATIENCE_S)) as client:
            client.request(method, path, body=body, headers=headers)
            answer = client.getresponse()
            named = {name.lower(): text for name, text in answer.getheaders()}
            return Answer(answer.status, named, answer.read())

    def raw(self, request: bytes) -> bytes:
        """Send bytes, and return all that is answered until the page closes the connection."""
        found = b""
        with self.connect() as client, suppress(ConnectionError):
            client.sendall(request)
            while piece := client.recv(65536):
                found += piece
        return found

    def asked(self, path: str) -> bytes:
        """Return the bytes of a request."""
        lines = f"GET {path} HTTP/1.1", f"Host: {self.address}", f"X-Valenced-Token: {self.token}"
        return "".join(f"{line}\r\n" for line in (*lines, "")).encode()

    def connect(self) -> socket.socket:
        host, _, port = self.address.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


@contextmanager
def served(
    catalogue: Path, *settings: str, named: str | None = None, service: ServiceReplies | None = None
) -> Iterator[PageClient]:
    """Serve a catalogue's page within the block.

    Args:
        catalogue: its file.
        settings: as `KEY=VALUE`.
        named: what the settings call its address.
        service: tells how the service is; None if there is none.
    """
    state = catalogue.parent
    loaded = load(environ={"STATE_DIRECTORY": str(state), "HOME": str(state)}, overrides=settings)
    url = f"sqlite:///{catalogue}"
    listener = listening_socket(ANYWHERE)
    address = address_in_use(ANYWHERE, listener)
    config = PageConfig(
        loaded.settings, url, loaded.paths.bundles, named or address, TOKEN, "warning"
    )
    with closing(Catalogue(url, reads_only=True)) as reading:
        replies = StatusReplies(reading, lambda: 900.0, utc_now)
        with page_server(config, service or replies) as server:
            thread = threading.Thread(target=server.serve_at, args=(listener,))
            thread.start()
            try:
                yield PageClient(address)
            finally:
                server.end()
                thread.join()


def token_in(html: str) -> str:
    """Return the token that a document holds."""
    (found,) = re.findall('<meta name="valenced-token" content="([^"]+)">', html)
    return str(found)
