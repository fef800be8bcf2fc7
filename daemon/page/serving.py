"""Serves a page at a listening socket until it is stopped."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from daemon.page.http.page_server import PageServer
from daemon.page.page_app import page_app
from daemon.page.routes.page_context import PageContext
from storage.search.revision import CatalogueRevision

if TYPE_CHECKING:
    import socket

    from daemon.monitoring.page_messages import PageConfig
    from daemon.page.routes.page_context import ServiceReplies


def serve(
    config: PageConfig,
    service: ServiceReplies,
    listener: socket.socket,
    *,
    ends_when_idle: bool = False,
) -> None:
    """Serve until SIGTERM or SIGINT, or until nobody has looked for a while, if it may end then."""
    with closing(CatalogueRevision(config.url)) as revision:
        context = PageContext(config, service, revision)
        PageServer(page_app(context), ends_when_idle=ends_when_idle).serve_at(listener)
