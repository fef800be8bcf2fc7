"""Signals become mail for the main loop, and nothing else."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from daemon.service.messages import MessageQueue, Reload, Stop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


@contextmanager
def signals_as_messages(mail: MessageQueue, *, reloads: bool) -> Iterator[None]:
    """Pass on, until the block ends, the wish to stop and the wish to read the settings again.

    Args:
        mail: takes them.
        reloads: whether SIGHUP is the latter; otherwise it is the former.
    """
    hangup = Reload() if reloads else Stop()
    messages = {signal.SIGINT: Stop(), signal.SIGTERM: Stop(), signal.SIGHUP: hangup}

    def tell(number: int, _frame: FrameType | None) -> None:
        mail.put(messages[signal.Signals(number)])

    before = {number: signal.signal(number, tell) for number in messages}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
