"""Serves the page of a run that keeps watching."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from daemon.monitoring.endpoints import serve_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from socket import socket

    from daemon.monitoring.status_replies import StatusReplies
    from daemon.service.run_config import ActiveConfig


@contextmanager
def served_page(
    active: ActiveConfig, replies: StatusReplies, passed: socket | None
) -> Iterator[Callable[[], None]]:
    """Serve it within the block, on a socket that was passed to this process if there is one.

    Yields:
        What has it take up the present settings.
    """
    config = active.config
    # The run may serve it again, on the same socket.
    own = None if passed is None else passed.dup()
    with serve_page(active.settings, config.url, config.registry, replies, own) as renew:
        yield renew
