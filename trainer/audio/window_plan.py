"""Which windows of a file are decoded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WindowPlan:
    """How many windows of a file are decoded, how long each is, and at which rate.

    Attributes:
        rate_hz: sampling rate that the sound is resampled to; a multiple of 100.
        windows: number of windows of a long file.
        window_s: length of each, in seconds.
    """

    rate_hz: int
    windows: int
    window_s: float

    @property
    def budget_s(self) -> float:
        """Most seconds of sound that are decoded; shorter files are decoded completely."""
        return self.windows * self.window_s

    @property
    def samples(self) -> int:
        """Samples in a window."""
        return round(self.window_s * self.rate_hz)
