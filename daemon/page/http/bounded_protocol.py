"""Bounds every connection: its number, the time of a request, and how slowly it may be read.

uvicorn itself sets no limit to how long a request may take to arrive, nor to how long a client may
leave an answer unread.
"""

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

MOST_CONNECTIONS: Final = 64
REQUEST_S: Final = 10.0
"""How long the whole of a request may take to arrive."""

UNREAD_S: Final = 20.0
LEAST_READ: Final = 16 * 1024
"""A client that reads fewer bytes of an answer than this in `UNREAD_S` is disconnected."""


class BoundedProtocol(H11Protocol):
    """One connection.

    For one more than `MOST_CONNECTIONS`, the one that has waited longest is broken off: first those
    without a request, then those that do not read.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._unread = 0
        self._since_s = self.loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make room for a connection, and give it a time for its first request."""
        others = [each for each in self.connections if isinstance(each, BoundedProtocol)]
        if len(others) >= MOST_CONNECTIONS:
            min(others, key=BoundedProtocol._importance).break_off()
        super().connection_made(cast("asyncio.Transport", transport))
        self._await_request()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        if self._deadline is None and self._is_between_requests():
            self._await_request()
        super().data_received(data)
        if not self._is_between_requests() and not self.cycle.more_body:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        self._stop_watching()
        self.connections.discard(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """See to it that the client reads on."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Let the application write again."""
        self._stop_watching()
        super().resume_writing()

    def break_off(self) -> None:
        """End the connection, whatever is unsent."""
        self.connections.discard(self)
        self.transport.abort()

    def _importance(self) -> tuple[int, float]:
        if self._is_between_requests() or self.cycle.more_body:
            return 0, self._since_s
        return (1 if self._stall is not None else 2), self._since_s

    def _is_between_requests(self) -> bool:
        # uvicorn has none before the first request, whatever its types say.
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _await_request(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(REQUEST_S, self.break_off)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _watch(self) -> None:
        self._stop_watching()
        self._unread = self.transport.get_write_buffer_size()
        self._stall = self.loop.call_later(UNREAD_S, self._check)

    def _check(self) -> None:
        if self._unread - self.transport.get_write_buffer_size() < LEAST_READ:
            self.break_off()
        else:
            self._watch()

    def _stop_watching(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
