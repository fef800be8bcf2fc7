"""Tells whoever supervises the service how it is, by the protocol of sd_notify(3)."""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping

log = logging.getLogger(__name__)

STARTING_S: Final = 60.0
"""How much longer a start may take after each sign of life, in seconds."""

_SIGNS_IN_A_SPAN: Final = 4
_STARTING_SIGN_S: Final = 10.0


class Notifier:
    """Sends notices to a supervisor, and nothing where there is none. Used by the main loop only.

    Args:
        address: of the supervisor's socket: a path, or `@` and an abstract name; empty for none.
        watchdog_s: how long the supervisor waits for a sign of life, in seconds; 0 if it does not.
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
        self._said = ""
        self._last_sign_s = float("-inf")

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Notifier:
        """Take the address from the environment, and out of it: it is not meant for children."""
        address = environment.pop("NOTIFY_SOCKET", "")
        span_us = environment.pop("WATCHDOG_USEC", "")
        meant_for = environment.pop("WATCHDOG_PID", "")
        is_ours = meant_for in {"", str(os.getpid())}
        watched = is_ours and span_us.isascii() and span_us.isdecimal()
        if not address.startswith(("/", "@")):
            address = ""
        return cls(address, int(span_us) / 1e6 if watched else 0.0)

    @property
    def watchdog_interval_s(self) -> float | None:
        """How often a sign of life is due, in seconds; None if nobody waits for one."""
        return self._watchdog_s / _SIGNS_IN_A_SPAN if self._address and self._watchdog_s else None

    def ready(self) -> None:
        """Tell that the folders are watched and the catalogue is open, again after `reloading`."""
        self._is_ready = True
        self._send("READY=1")

    def reloading(self) -> None:
        """Tell that the settings are being read again; `ready` ends that."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Tell that the service is on its way out."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Tell in one line what the service is doing; saying the same twice costs nothing."""
        line = " ".join(text.split())
        if line != self._said:
            self._said = line
            self._send(f"STATUS={line}")

    def heartbeat(self, now_s: float) -> None:
        """Give a sign of life, if one is due at `now_s` (the monotonic clock, in seconds).

        Until the service is ready, each asks for more time to start.
        """
        every_s = self.watchdog_interval_s if self._is_ready else _STARTING_SIGN_S
        if every_s is None or now_s - self._last_sign_s < every_s:
            return
        self._last_sign_s = now_s
        more_us = int(STARTING_S * 1e6)
        self._send("WATCHDOG=1" if self._is_ready else f"EXTEND_TIMEOUT_USEC={more_us}")

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()

    def _send(self, notice: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(notice.encode("utf-8", "replace"), self._address)
        except OSError as error:
            log.warning("the supervisor cannot be told %r: %s", notice, error.strerror or error)
