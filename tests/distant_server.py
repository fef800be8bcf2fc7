"""Makes a server seem to be on another machine, and counts the round trips to it."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgresql_server import PostgresqlServer

_SOCKET = ".s.PGSQL.5432"


class Between:
    """Passes on what the catalogue and a server say to each other, after some time.

    Args:
        folder: where it listens.
        server: the folder of the server's socket.
        away_s: how much later than it comes an answer is passed on, in seconds.

    Attributes:
        round_trips: how many were made.
    """

    def __init__(self, folder: Path, server: Path, away_s: float) -> None:
        self.round_trips = self._forgotten = 0
        self._server, self._away_s = server, away_s
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(folder / _SOCKET))
        # Whoever runs the server may be another user.
        (folder / _SOCKET).chmod(0o666)
        self._listening.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def forget(self) -> None:
        """End each of the present connections, but only when something is asked on it."""
        self._forgotten += 1

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.socket(socket.AF_UNIX)
                try:
                    server.connect(str(self._server / _SOCKET))
                except OSError:
                    client.close()
                    continue
                is_asked = threading.Event()
                for pass_on in (self._ask, self._answer):
                    sockets = client, server, is_asked
                    threading.Thread(target=pass_on, args=sockets, daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, is_asked: threading.Event) -> None:
        known = self._forgotten
        with suppress(OSError), server:
            while piece := client.recv(1 << 16):
                if known != self._forgotten:
                    client.shutdown(socket.SHUT_RDWR)
                    return
                self.round_trips += not is_asked.is_set()
                is_asked.set()
                server.sendall(piece)
            server.shutdown(socket.SHUT_RDWR)

    def _answer(
        self, client: socket.socket, server: socket.socket, is_asked: threading.Event
    ) -> None:
        with suppress(OSError), client:
            while piece := server.recv(1 << 16):
                if is_asked.is_set():
                    time.sleep(self._away_s)
                is_asked.clear()
                client.sendall(piece)
            # The other thread reads from it, for which reason to close it alone would end nothing.
            client.shutdown(socket.SHUT_RDWR)


@contextmanager
def distant(
    server: PostgresqlServer, url: str, away_s: float = 0.0
) -> Iterator[tuple[str, Between]]:
    """Stand between a catalogue and its server; yield the URL by which it is reached then."""
    # A socket's path is shorter than those of pytest's folders.
    with (
        tempfile.TemporaryDirectory(prefix="pg-") as folder,
        closing(Between(Path(folder), server.folder, away_s)) as between,
    ):
        yield url.replace(str(server.folder), folder), between
