"""Reports the state of the service to its supervisor, by the protocol of sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
import time
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

log = logging.getLogger(__name__)

STARTING_S: Final = 60.0
"""How much longer a start may take after each heartbeat, in seconds."""

_PER_TIMEOUT: Final = 4
_STARTING_INTERVAL_S: Final = 10.0


class Notifier:
    """Sends notices to a supervisor, if there is one. Used by one thread, but for `kept_alive`.

    Args:
        address: of the supervisor's socket: a path, or `@` and an abstract name; empty for none.
        watchdog_s: after how many seconds without a heartbeat it restarts us; 0 for never.
    """

    def __init__(self, address: str = "", watchdog_s: float = 0.0) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog_s = watchdog_s
        self._socket: socket.socket | None = None
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            # A supervisor that hangs must not hang us.
            self._socket.setblocking(False)
        self._is_ready = False
        self._status = ""
        self._last_heartbeat_s = float("-inf")

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Notifier:
        """Take the address from the environment and remove it: it is not meant for children."""
        address = environment.pop("NOTIFY_SOCKET", "")
        timeout_us = environment.pop("WATCHDOG_USEC", "")
        is_ours = environment.pop("WATCHDOG_PID", "") in {"", str(os.getpid())}
        is_watched = is_ours and timeout_us.isascii() and timeout_us.isdecimal()
        is_address = address.startswith(("/", "@"))
        return cls(address if is_address else "", int(timeout_us) / 1e6 if is_watched else 0.0)

    @property
    def watchdog_interval_s(self) -> float | None:
        """Seconds between two heartbeats; None if the supervisor expects none."""
        return self._watchdog_s / _PER_TIMEOUT if self._address and self._watchdog_s else None

    @contextmanager
    def kept_alive(self) -> Iterator[None]:
        """Send heartbeats within the block, which must end by a time limit of its own."""
        ended = Event()

        def beat() -> None:
            interval_s = self.watchdog_interval_s if self._is_ready else _STARTING_INTERVAL_S
            while interval_s is not None:
                self.heartbeat(time.monotonic())
                if ended.wait(interval_s):
                    return

        thread = Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def ready(self) -> None:
        """Report that the service works; also ends `reloading`."""
        self._is_ready = True
        self._send("READY=1")

    def reloading(self) -> None:
        """Report that the settings are being read again."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Report that the service is stopping."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Report in one line what the service is doing; repetitions are not sent."""
        line = " ".join(text.split())
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def heartbeat(self, now_s: float) -> None:
        """Send a heartbeat if one is due at `now_s` (the monotonic clock, in seconds).

        Until the service is ready, it asks for more time to start.
        """
        interval_s = self.watchdog_interval_s if self._is_ready else _STARTING_INTERVAL_S
        if interval_s is None or now_s - self._last_heartbeat_s < interval_s:
            return
        self._last_heartbeat_s = now_s
        more_us = int(STARTING_S * 1e6)
        self._send("WATCHDOG=1" if self._is_ready else f"EXTEND_TIMEOUT_USEC={more_us}")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()

    def _send(self, notice: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(notice.encode("utf-8", "replace"), self._address)
        except OSError as error:
            log.warning(
                "the supervisor cannot be notified of %r: %s", notice, error.strerror or error
            )
