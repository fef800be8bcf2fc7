"""The page itself: its document, which gets the token, and its other files."""

from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException
from starlette.responses import HTMLResponse, Response

from daemon.page.routes.page_context import Page

router = APIRouter(include_in_schema=False)

STATIC: Final = Path(__file__).parent.parent / "static"
_DOCUMENT: Final = "index.html"
_PLACE: Final = '<meta name="valenced-token" content="">'
_WITHOUT: Final = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
{_PLACE}
<title>valenced</title>
<p>The page is not built: <code>make page</code> builds it. Its interface is described at
<a href="/api/openapi.json">/api/openapi.json</a>.
</html>
"""
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


@router.get("/")
def document(page: Page) -> Response:
    """The document, which holds the token of this service."""
    text = _texts().get(_DOCUMENT)
    html = _WITHOUT if text is None else text.read_text(encoding="utf-8")
    own = f'<meta name="valenced-token" content="{page.config.token}">'
    return HTMLResponse(html.replace(_PLACE, own, 1))


@router.get("/static/{name:path}")
def asset(name: str) -> Response:
    """One of the files that were built; no name leads to any other."""
    file = _texts().get(name)
    if file is None or name == _DOCUMENT:
        raise HTTPException(404, "there is no such file")
    headers = {"Cache-Control": "no-cache"}
    return Response(file.read_bytes(), media_type=_TYPES[file.suffix], headers=headers)


@cache
def _texts() -> dict[str, Path]:
    """Return the files by their names in the folder."""
    return {
        file.relative_to(STATIC).as_posix(): file
        for file in STATIC.rglob("*")
        if file.is_file() and not file.is_symlink() and file.suffix in _TYPES
    }
