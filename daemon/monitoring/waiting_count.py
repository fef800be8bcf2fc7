"""Counts the files that wait, as often as that costs little."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_TIMES_ITS_COST: Final = 50.0
LONGEST_S: Final = 10.0


@dataclass
class WaitingCount:
    """The number of files that are due or being analysed.

    Of a million it takes a tenth of a second to count them, and the main loop asks twice a second.
    So the number may be old by fifty times what counting took, and by ten seconds at most.
    """

    count: Callable[[], int]
    monotonic: Callable[[], float] = time.monotonic
    _counted: int = 0
    _again_s: float = float("-inf")

    def __call__(self) -> int:
        """Return the number.

        Raises:
            CatalogueError: the catalogue cannot be read at present.
        """
        now_s = self.monotonic()
        if now_s >= self._again_s:
            self._counted = self.count()
            took_s = self.monotonic() - now_s
            self._again_s = now_s + took_s + min(_TIMES_ITS_COST * took_s, LONGEST_S)
        return self._counted
