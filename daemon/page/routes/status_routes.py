"""How the service is: for people, for monitoring, and live."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from threading import Lock
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from daemon.monitoring.page_messages import Reply
from daemon.page.routes.page_context import PROBLEMS, Page, PageContext
from storage.schema.catalogue_errors import CatalogueError

router = APIRouter(tags=["service"], responses=PROBLEMS)

LOOK_S: Final = 2.0
QUIET_S: Final = 15.0
"""After so long without news, a comment keeps proxies from closing the connection."""

MOST_LISTENERS: Final = 16


class StatusDocument(BaseModel):
    """What `valenced status --format json` prints."""

    model_config = ConfigDict(extra="allow")

    running: int | None
    known: int
    pending: int
    failed: int
    degraded: list[str]
    broken: list[str]
    bundle: str | None


@router.get("/health", response_class=Response)
def health(request: Request, page: Page) -> Response:
    """`ok`, or with 503 a line for each problem; JSON if that is accepted."""
    as_json = "application/json" in request.headers.get("accept", "")
    return _response(page.service.ask("health as JSON" if as_json else "health"))


@router.get("/metrics", response_class=Response)
def metrics(page: Page) -> Response:
    """The metrics of the service, for Prometheus."""
    return _response(page.service.ask("metrics"))


@router.get("/api/v1/status", response_model=StatusDocument)
def status(page: Page) -> Response:
    """The state of the service and of its catalogue."""
    reply = _status(page)
    if reply.status != 200:  # noqa: PLR2004 - done
        raise HTTPException(reply.status, reply.body.decode(errors="replace").strip())
    return _response(reply)


@router.get(
    "/api/v1/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events"}},
)
async def events(page: Page) -> StreamingResponse:
    """Events: `status`, as above, and `changed`, with the new revision of the catalogue."""
    if _news.listeners >= MOST_LISTENERS:
        raise HTTPException(503, f"{MOST_LISTENERS} pages listen already")
    return StreamingResponse(_events(page), media_type="text/event-stream")


async def _events(page: PageContext) -> AsyncIterator[bytes]:
    _news.listeners += 1
    revision, shown, quiet_since_s = "", b"", time.monotonic()
    try:
        while True:
            found, document = await run_in_threadpool(_look, page)
            lines = []
            if found != revision:
                revision = found
                lines.append(_event("changed", json.dumps({"revision": revision}).encode()))
            if document != shown:
                shown = document
                lines.append(_event("status", shown))
            now_s = time.monotonic()
            if not lines and now_s - quiet_since_s > QUIET_S:
                lines.append(b": nothing new\n\n")
            if lines:
                quiet_since_s = now_s
                yield b"".join(lines)
            await asyncio.sleep(LOOK_S)
    finally:
        _news.listeners -= 1


def _look(page: PageContext) -> tuple[str, bytes]:
    try:
        revision = page.revision.current()
    except CatalogueError as error:
        return "", json.dumps({"detail": str(error)}).encode()
    reply = _status(page)
    if reply.status != 200:  # noqa: PLR2004 - done
        return revision, json.dumps({"detail": reply.body.decode(errors="replace")}).encode()
    return revision, json.dumps(json.loads(reply.body)).encode()


def _event(name: str, content: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + content + b"\n\n"


class _News:
    """The last status: however many pages listen, the service is asked once."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.asked_at_s = float("-inf")
        self.reply = Reply(503, "text/plain", b"")
        self.listeners = 0


_news = _News()


def _status(page: PageContext) -> Reply:
    with _news.lock:
        if time.monotonic() - _news.asked_at_s > LOOK_S / 2:
            _news.reply = page.service.ask("status")
            _news.asked_at_s = time.monotonic()
        return _news.reply


def _response(reply: Reply) -> Response:
    headers = {"Content-Type": reply.content_type}
    return Response(reply.body, status_code=reply.status, headers=headers)
