"""Sends an open file, or the range of it that is asked for."""

import asyncio
import os
import re
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_PIECE: Final = 64 * 1024
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class RangedFile(Response):
    """The content of a descriptor, which is closed at the end.

    One range is answered with 206, one that the file does not have with 416. For several ranges, or
    if `If-Range` names another version, the whole is sent, as RFC 9110 allows.

    Args:
        descriptor: a regular file, open for reading.
        media_type: of its content.
        version: of its content, as an entity tag with its quotes.
    """

    def __init__(self, descriptor: int, media_type: str, version: str) -> None:
        super().__init__(media_type=media_type)
        self._descriptor = descriptor
        self._version = version
        del self.headers["content-length"]
        self.headers["accept-ranges"] = "bytes"
        self.headers["etag"] = version
        self.headers["cache-control"] = "private, no-cache"

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Send it."""
        # uvicorn takes what is sent to a client that has gone, and drops it.
        gone = asyncio.ensure_future(_departure(receive))
        try:
            await self._send(scope, send, gone)
        finally:
            gone.cancel()
            os.close(self._descriptor)

    async def _send(self, scope: "Scope", send: "Send", gone: "asyncio.Future[None]") -> None:
        size = os.fstat(self._descriptor).st_size
        asked = dict(scope["headers"])
        if asked.get(b"if-none-match") == self._version.encode():
            await self._start(send, 304, 0)
            await send({"type": "http.response.body", "body": b""})
            return
        start, end = 0, size
        text = asked.get(b"range", b"").decode("latin-1")
        if text and asked.get(b"if-range", self._version.encode()) == self._version.encode():
            found = range_in(text, size)
            if found is not None and found[0] >= found[1]:
                self.headers["content-range"] = f"bytes */{size}"
                await self._start(send, 416, 0)
                await send({"type": "http.response.body", "body": b""})
                return
            if found is not None:
                start, end = found
                self.headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
        await self._start(send, 206 if "content-range" in self.headers else 200, end - start)
        await self._content(send, start, end, gone)

    async def _start(self, send: "Send", status: int, length: int) -> None:
        self.headers["content-length"] = str(length)
        start = {"type": "http.response.start", "status": status, "headers": self.raw_headers}
        await send(start)

    async def _content(
        self, send: "Send", start: int, end: int, gone: "asyncio.Future[None]"
    ) -> None:
        while start < end and not gone.done():
            length = min(_PIECE, end - start)
            piece = await run_in_threadpool(os.pread, self._descriptor, length, start)
            if not piece:
                # It has become shorter. uvicorn closes the connection: the client sees by the
                # length that something is missing.
                return
            start += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _departure(receive: "Receive") -> None:
    """Return once the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def range_in(text: str, size: int) -> tuple[int, int] | None:
    """Return the start and the end of a range of bytes; None if the header is to be ignored.

    A range that a file of this size does not have is empty.
    """
    found = _RANGE.fullmatch(text.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1 if last else size, size)
