"""Turns signals into messages for the event loop, and does nothing else with them."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from daemon.service.messages import MessageQueue, Reload, Stop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


@contextmanager
def signals_as_messages(messages: MessageQueue, *, reloads: bool) -> Iterator[None]:
    """Send `Stop` for SIGINT and SIGTERM, for the duration of a block.

    Args:
        messages: receives them.
        reloads: whether SIGHUP sends `Reload`; otherwise it sends `Stop`, too.
    """
    on_hangup = Reload() if reloads else Stop()
    by_signal = {signal.SIGINT: Stop(), signal.SIGTERM: Stop(), signal.SIGHUP: on_hangup}

    def send(number: int, _frame: FrameType | None) -> None:
        messages.put(by_signal[signal.Signals(number)])

    previous = {number: signal.signal(number, send) for number in by_signal}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
