"""Builds the application of the page."""

import logging
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException

from config.errors import ValencedError
from daemon.page.http.request_guard import RequestGuard
from daemon.page.http.trusted_proxy import TrustedProxy
from daemon.page.routes import (
    annotation_routes,
    audio_routes,
    export_routes,
    learning_routes,
    map_routes,
    service_routes,
    sound_routes,
    static_routes,
    status_routes,
)
from daemon.page.routes.page_context import AsciiJson
from storage.schema.catalogue_errors import CatalogueError
from trainer.trainer_errors import ClipError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from daemon.page.routes.page_context import PageContext

log = logging.getLogger(__name__)

_ROUTES: Final = (
    static_routes,
    status_routes,
    map_routes,
    sound_routes,
    audio_routes,
    annotation_routes,
    export_routes,
    learning_routes,
    service_routes,
)
_ABOUT: Final = """What the page of valenced is made from, for other programs too.

Every request needs the token of the page, in the header `X-Valenced-Token`; `valenced page` prints
the URL that holds it. Only `/health` and `/metrics` need none.
"""


def page_app(context: "PageContext") -> "ASGIApp":
    """Return the application with its guard."""
    app = FastAPI(
        title="valenced",
        description=_ABOUT,
        version="1",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        default_response_class=AsciiJson,
        # For the description; the guard asks for it.
        dependencies=[Security(APIKeyHeader(name="X-Valenced-Token", auto_error=False))],
    )
    app.state.context = context
    for module in _ROUTES:
        app.include_router(module.router)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ValencedError, _failed)
    app.add_exception_handler(Exception, _broken)
    config = context.config
    host, _, port = config.address.rpartition(":")
    own = config.settings.page
    return RequestGuard(
        app,
        names={host, "localhost", *own.names},
        token=config.token,
        port=port,
        proxy=TrustedProxy(own.user_header, own.proxies),
    )


async def _refused(_: "Request", error: Exception) -> "Response":
    assert isinstance(error, HTTPException)
    return AsciiJson({"detail": str(error.detail)}, error.status_code, error.headers)


async def _invalid(_: "Request", error: Exception) -> "Response":
    assert isinstance(error, RequestValidationError)
    return AsciiJson({"detail": "; ".join(map(_problem, error.errors()[:5]))}, 422)


async def _failed(_: "Request", error: Exception) -> "Response":
    status = 404 if isinstance(error, ClipError) else 409
    if isinstance(error, CatalogueError):
        status = 503
    return AsciiJson({"detail": str(error)}, status)


async def _broken(_: "Request", error: Exception) -> "Response":
    del error
    return AsciiJson({"detail": "a fault of the page; the log says more"}, 500)


def _problem(error: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in error["loc"] if part not in {"query", "body", "path"})
    return f"{where}: {error['msg']}" if where else str(error["msg"])
