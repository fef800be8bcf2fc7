"""The map: all points in columns of bytes, and what its numbers stand for."""

from collections.abc import AsyncIterator
from threading import Lock
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from daemon.page.routes.page_context import PROBLEMS, AsciiJson, Page
from daemon.page.routes.sound_query import Wanted
from storage.search.map_points import FORMATS

router = APIRouter(prefix="/api/v1", tags=["map"], responses=PROBLEMS)

_PIECE: Final = 256 * 1024


class Folders(BaseModel):
    """The folders to whose places in this list the points refer, each with a slash at its end."""

    folders: list[str]


class Formats(BaseModel):
    """The suffixes to whose places in this list the points refer."""

    formats: list[str]


class _LastPoints:
    """The points that were asked for last: many pages ask for the same."""

    def __init__(self) -> None:
        # One after the other, or their memory would add up.
        self.lock = Lock()
        self.key: tuple[str, str] | None = None
        self.packed = b""


_last = _LastPoints()


@router.get(
    "/points",
    response_class=Response,
    responses={
        200: {
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
            "description": "The mark VLP1, the count, and the columns; see docs/page.md.",
        },
        304: {"description": "As it was"},
    },
)
def points(request: Request, page: Page, wanted: Wanted) -> Response:
    """Every sound that matches, as little-endian columns, in no order."""
    found = wanted.filter(page)
    revision = page.revision.current()
    headers = {"ETag": f'"{revision}"', "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    key = revision, repr(found)
    with _last.lock:
        if _last.key != key:
            _last.key, _last.packed = None, b""
            with page.view() as view:
                packed = view.points(found)
            _last.key, _last.packed = key, packed
        packed = _last.packed
    headers["Content-Length"] = str(len(packed))
    return StreamingResponse(
        _pieces(packed), headers=headers, media_type="application/octet-stream"
    )


@router.get("/folders", response_model=Folders)
def folders(page: Page) -> Response:
    """The folders that the points name by number."""
    with page.view() as view:
        return AsciiJson({"folders": view.folders()})


@router.get("/formats", response_model=Formats)
def formats() -> Any:
    """The formats that the points name by number."""
    return {"formats": list(FORMATS)}


async def _pieces(packed: bytes) -> AsyncIterator[memoryview]:
    """Yield pieces, of which only one waits for a slow client; they share the same memory."""
    view = memoryview(packed)
    for start in range(0, len(packed), _PIECE):
        yield view[start : start + _PIECE]
