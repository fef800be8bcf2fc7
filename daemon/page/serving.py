"""Serves a page at a listening socket until it is stopped."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from daemon.page.http.page_server import PageServer
from daemon.page.page_app import page_app
from daemon.page.routes.page_context import PageContext
from daemon.page.routes.transcoder import Transcoder
from storage.search.revision import CatalogueRevision

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.monitoring.page_messages import PageConfig
    from daemon.page.routes.page_context import ServiceReplies


@contextmanager
def page_server(
    config: PageConfig, service: ServiceReplies, *, ends_when_idle: bool = False
) -> Iterator[PageServer]:
    """Yield what serves a page, with all that it needs."""
    with (
        closing(CatalogueRevision(config.url)) as revision,
        closing(Transcoder(config.settings.analysis)) as transcoder,
    ):
        context = PageContext(config, service, revision, transcoder)
        yield PageServer(page_app(context), ends_when_idle=ends_when_idle)
