"""Keeps how sounds were heard, so that none is heard twice under the same settings.

What no corpus needs any more goes after a month, or sooner where there is much of it.
"""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from trainer.features.vector_codec import pack, unpack
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

UNUSED_S: Final = 30 * 86400
"""How long a sound is kept that is in no corpus: long enough to go on with an import."""

MOST_UNUSED_BYTES: Final = 1 << 30
"""How much of them is kept: some sixteen thousand sounds of four windows."""

_COUNT_BYTES = 4


class FeatureCache:
    """A folder of heard sounds, one file each. May be emptied at any time; safe for many threads.

    Args:
        folder: where they are kept.
        hearing: key of the hearing; those of others are kept apart.

    Raises:
        TrainingError: the folder cannot be made.
    """

    def __init__(self, folder: Path, hearing: str) -> None:
        self._folder = folder
        self._place = folder / hearing.replace("/", "_")
        try:
            self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(f"{self._place}: {error.strerror}") from error

    def get(self, sound: str) -> NDArray[np.float32] | None:
        """Return how a sound was heard, or None if it was not, or what was kept is damaged.

        Args:
            sound: what tells it from others.

        Returns:
            Its mean vector and below it its windows, shape (1 + windows, descriptors).
        """
        try:
            raw = self._file(sound).read_bytes()
            count = int.from_bytes(raw[:_COUNT_BYTES], "little")
            return unpack(raw[_COUNT_BYTES:]).reshape(count, -1)
        except (OSError, ValueError, IndexError):
            return None

    def put(self, sound: str, rows: NDArray[np.float32]) -> None:
        """Keep how a sound was heard.

        Args:
            sound: what tells it from others.
            rows: as `get` returns them.

        Raises:
            TrainingError: it cannot be written.
        """
        kept = self._file(sound)
        beside = kept.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        try:
            beside.write_bytes(len(rows).to_bytes(_COUNT_BYTES, "little") + pack(rows.ravel()))
            beside.replace(kept)
        except OSError as error:
            raise TrainingError(f"{kept}: {error.strerror}") from error

    def prune(
        self, used: Collection[str], now: datetime, most_unused_bytes: int = MOST_UNUSED_BYTES
    ) -> None:
        """Remove what no corpus needs, of whatever hearing.

        What was heard of late is spared, the latest first, for an import that was broken off and
        for a corpus that is removed to be added otherwise.

        Args:
            used: keys of the sounds that are in a corpus, as `cache_key` makes them.
            now: the time, aware of its zone.
            most_unused_bytes: how much is spared.
        """
        unused = []
        for path in self._folder.glob("*/*"):
            # Somebody else may be at it, or there is no right to: then it is left for next time.
            with suppress(OSError):
                if path.parent != self._place or path.name not in used:
                    status = path.stat()
                    unused.append((status.st_mtime, status.st_size, path))
        room = most_unused_bytes
        for heard_at, size, path in sorted(unused, reverse=True):
            room -= size
            if room < 0 or now.timestamp() - heard_at > UNUSED_S:
                with suppress(OSError):
                    path.unlink()
        for place in self._folder.iterdir():
            if place != self._place:
                with suppress(OSError):
                    place.rmdir()

    def _file(self, sound: str) -> Path:
        return self._place / cache_key(sound)


def cache_key(sound: str) -> str:
    """Return the name under which a sound is kept.

    Args:
        sound: what tells it from others.
    """
    return hashlib.sha256(sound.encode("utf-8", "surrogatepass")).hexdigest()
