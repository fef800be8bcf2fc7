"""Runs the page's application at a socket that listens already."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from daemon.page.http.bounded_protocol import BoundedProtocol

if TYPE_CHECKING:
    import socket
    from types import FrameType

BACKLOG: Final = 128
LARGEST_HEAD: Final = 16 * 1024
KEEP_ALIVE_S: Final = 15
STOP_S: Final = 1
"""How long answers in progress may take once the page ends; live events never end by themselves."""

IDLE_S: Final = 600.0


class PageServer(uvicorn.Server):
    """Serves until a signal; without a client it sleeps in the kernel.

    Args:
        app: the application.
        ends_when_idle: whether to end, and so give back memory, once there was no client for
            `IDLE_S` after some had come.
    """

    def __init__(self, app: Any, *, ends_when_idle: bool = False) -> None:
        for name in ("uvicorn", "uvicorn.error"):
            logging.getLogger(name).setLevel(logging.WARNING)
        super().__init__(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                backlog=BACKLOG,
                h11_max_incomplete_event_size=LARGEST_HEAD,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=STOP_S,
            )
        )
        self._ends_when_idle = ends_when_idle
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def serve_at(self, listener: "socket.socket") -> None:
        """Serve until SIGTERM, SIGINT or `end`; the listener stays open for others who hold it."""
        self.run(sockets=[listener])

    async def main_loop(self) -> None:
        """Wait for the end; uvicorn's own loop would wake up ten times a second."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        if self.should_exit:
            return
        seen = 0
        while not self._stop.is_set():
            try:
                await asyncio.wait_for(self._stop.wait(), IDLE_S)
            except TimeoutError:
                state = self.server_state
                is_idle = not state.connections and state.total_requests == seen
                if self._ends_when_idle and is_idle and seen:
                    return
                seen = state.total_requests

    async def shutdown(self, sockets: "list[socket.socket] | None" = None) -> None:
        """Close all connections; that this cuts off live events is no error to log."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: "FrameType | None") -> None:
        """Take a signal."""
        super().handle_exit(sig, frame)
        self.end()

    def end(self) -> None:
        """End soon; may be called by any thread and by a signal handler."""
        self.should_exit = True
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
