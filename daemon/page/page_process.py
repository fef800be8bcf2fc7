"""The page of a service, in a process of its own: it can neither hold up the work nor be its end.

Run by `start_child` with the arguments LISTENER CHANNEL, both inherited descriptors. The service
first sends what the page is to know, then answers its questions
(`daemon.monitoring.page_messages`).
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from threading import Lock
from typing import TYPE_CHECKING, Final

from daemon.monitoring.page_messages import TEXT, PageConfig, Reply
from daemon.worker.worker_channel import receive_answer, receive_request, send

if TYPE_CHECKING:
    from daemon.monitoring.page_messages import Subject

LARGEST_REPLY: Final = 8 << 20
REPLY_S: Final = 20.0
_LATE: Final = Reply(503, TEXT, b"the service does not answer\n")

log = logging.getLogger(__name__)


class ServiceLink:
    """Asks the service about itself; one question at a time.

    Args:
        channel: leads to it.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lock = Lock()
        self._is_broken = False

    def ask(self, about: Subject) -> Reply:
        """Return its reply; that it does not answer, if it does not in time."""
        with self._lock:
            if self._is_broken:
                return _LATE
            try:
                self._channel.settimeout(REPLY_S)
                send(self._channel, {"about": about})
                answer = receive_answer(self._channel, LARGEST_REPLY, REPLY_S)
                assert isinstance(answer, dict)
                return Reply(answer["status"], answer["type"], answer["body"].encode())
            except (OSError, EOFError, ValueError):
                # A late reply would be taken for that to the next question: another process takes
                # over, if the service still lives.
                self._is_broken = True
                os.kill(os.getpid(), signal.SIGTERM)
                return _LATE


def main() -> None:
    """Serve the page until a signal, or until nobody has looked for a while."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    channel = socket.socket(fileno=int(sys.argv[2]))
    message, _ = receive_request(channel)
    config = PageConfig.of(message)
    os.nice(config.settings.analysis.nice)
    from daemon.page.serving import page_server  # noqa: PLC0415 - the service may go on meanwhile
    from daemon.system.log_setup import start_logging  # noqa: PLC0415

    start_logging(config.log_level, os.environ)
    with page_server(config, ServiceLink(channel), ends_when_idle=True) as server:
        server.serve_at(listener)


if __name__ == "__main__":
    main()
