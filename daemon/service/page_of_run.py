"""Serves the page of a run that keeps watching."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from daemon.monitoring.endpoints import serve_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.monitoring.status_replies import StatusReplies
    from daemon.service.run_config import ActiveConfig


@contextmanager
def served_page(active: ActiveConfig, replies: StatusReplies) -> Iterator[Callable[[], None]]:
    """Serve it within the block; yield what has it take up the present settings."""
    if not active.config.keep_watching:
        yield lambda: None
        return
    config = active.config
    with serve_page(active.settings, config.url, config.registry, replies) as renew:
        yield renew
