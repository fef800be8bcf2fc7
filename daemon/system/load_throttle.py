"""Pauses work above a load, or on battery, if the settings ask for it."""

from __future__ import annotations

import ctypes
import math
import os
import struct
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

SUPPLIES = Path("/sys/class/power_supply")
LOAD_OVER_S = 60.0
_SYSINFO_BYTES = 256
"""More than `struct sysinfo` has anywhere; it begins with the uptime and the three loads."""


def load_averages() -> tuple[float, ...]:
    """Return the load averages over 1, 5 and 15 minutes.

    `os.getloadavg` reads /proc/loadavg, which the systemd unit hides (ProcSubset=pid).

    Raises:
        OSError: the kernel does not tell.
    """
    found = ctypes.create_string_buffer(_SYSINFO_BYTES)
    if ctypes.CDLL(None, use_errno=True).sysinfo(found):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return tuple(load / 65536 for load in struct.unpack_from("@l3L", found)[1:])


class LoadThrottle:
    """Tells whether the next file must wait. Safe to use from several threads.

    Args:
        max_load: highest load by other programs, averaged over a minute; 0 for any.
        on_battery: what to do there.
        load: returns the load averages of the machine, over one minute first.
        clock: the monotonic clock, in seconds.
        supplies: a folder in the form of `/sys/class/power_supply`.
        processes: the most processes of ours that load this machine; None for any number.
    """

    def __init__(
        self,
        max_load: float,
        on_battery: Literal["pause", "continue"],
        *,
        load: Callable[[], tuple[float, ...]] = load_averages,
        clock: Callable[[], float] = time.monotonic,
        supplies: Path = SUPPLIES,
        processes: int | None = None,
    ) -> None:
        self._max_load = max_load
        self._processes = processes
        self._pauses_on_battery = on_battery == "pause"
        self._load = load
        self._clock = clock
        self._supplies = supplies
        self._lock = threading.Lock()
        self._own_load = 0.0
        self._updated_at_s = clock()

    def reason_to_wait(self, busy: int) -> str | None:
        """Return in one line why no file must be started now, None if one may.

        Args:
            busy: number of files that we are processing.
        """
        if self._pauses_on_battery and is_on_battery(self._supplies):
            return "paused on battery (analysis.on_battery)"
        if self._max_load:
            loading = busy if self._processes is None else min(busy, self._processes)
            others = max(self._load()[0] - self._own(loading), 0.0)
            if others > self._max_load:
                return (
                    f"paused while the load of others is {others:.1f}, above {self._max_load:g}"
                    " (analysis.max_load)"
                )
        return None

    def _own(self, busy: int) -> float:
        """Return our part of the load, averaged exponentially as by the kernel."""
        with self._lock:
            now_s = self._clock()
            weight = math.exp(-(now_s - self._updated_at_s) / LOAD_OVER_S)
            self._updated_at_s = now_s
            self._own_load = busy + (self._own_load - busy) * weight
            return self._own_load


def is_on_battery(supplies: Path = SUPPLIES) -> bool:
    """Tell whether a battery of this machine is discharging and no mains is connected."""
    is_discharging = False
    try:
        found = sorted(supplies.iterdir())
    except OSError:
        return False
    for supply in found:
        kind = _read(supply / "type")
        if kind in {"Mains", "USB", "Wireless"} and _read(supply / "online") == "1":
            return False
        # Mice and headphones have batteries, too.
        if kind == "Battery" and _read(supply / "scope") != "Device":
            is_discharging |= _read(supply / "status") == "Discharging"
    return is_discharging


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
