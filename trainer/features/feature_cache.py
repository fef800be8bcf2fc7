"""Stores the features of rated sounds, so that none is analysed twice under the same settings.

What no corpus needs any more is removed after a month, or sooner where there is much of it.
"""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from trainer.features.packed_vector import VALUES
from trainer.features.vector_codec import pack, unpack
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

UNUSED_S: Final = 30 * 86400
"""How long features are stored that no corpus needs: long enough to continue an import."""

MOST_UNUSED_BYTES: Final = 1 << 30
"""How much of them is stored: some sixteen thousand sounds of four windows."""

_COUNT_BYTES = 4


class FeatureCache:
    """A folder of features, one file a sound. May be emptied at any time; safe for many threads.

    Args:
        folder: where the files are.
        feature_key: key of the feature settings; each has its own subfolder.

    Raises:
        TrainingError: the folder cannot be made.
    """

    def __init__(self, folder: Path, feature_key: str) -> None:
        self._folder = folder
        self._current = folder / f"{feature_key}/{VALUES}".replace("/", "_")
        try:
            self._current.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(f"{self._current}: {error.strerror}") from error

    def get(self, sound: str) -> NDArray[np.float32] | None:
        """Return the features of a sound by its identity; None if not stored, or damaged.

        The first row is its mean vector, the others are its windows, float32.
        """
        try:
            raw = self._file(sound).read_bytes()
            count = int.from_bytes(raw[:_COUNT_BYTES], "little")
            return unpack(raw[_COUNT_BYTES:]).reshape(count, -1)
        except (OSError, ValueError, IndexError):
            return None

    def put(self, sound: str, rows: NDArray[np.float32]) -> None:
        """Store the features of a sound, in the shape that `get` returns.

        Raises:
            TrainingError: they cannot be written.
        """
        file = self._file(sound)
        temporary = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        try:
            temporary.write_bytes(len(rows).to_bytes(_COUNT_BYTES, "little") + pack(rows.ravel()))
            temporary.replace(file)
        except OSError as error:
            raise TrainingError(f"{file}: {error.strerror}") from error

    def prune(
        self, used: Collection[str], now: datetime, most_unused_bytes: int = MOST_UNUSED_BYTES
    ) -> None:
        """Remove features of any settings that no corpus needs.

        The latest `most_unused_bytes` are spared, for an import that was interrupted and for a
        corpus that is removed to be added again with other options.

        Args:
            used: keys of the sounds that are in a corpus, as `cache_key` makes them.
            now: the time, aware of its zone.
            most_unused_bytes: how much is spared.
        """
        unused = []
        for path in self._folder.glob("*/*"):
            # What another process removes, or what we may not read, is left for next time.
            with suppress(OSError):
                if path.parent != self._current or path.name not in used:
                    status = path.stat()
                    unused.append((status.st_mtime, status.st_size, path))
        room = most_unused_bytes
        for stored_at, size, path in sorted(unused, reverse=True):
            room -= size
            if room < 0 or now.timestamp() - stored_at > UNUSED_S:
                with suppress(OSError):
                    path.unlink()
        for folder in self._folder.iterdir():
            if folder != self._current:
                with suppress(OSError):
                    folder.rmdir()

    def _file(self, sound: str) -> Path:
        return self._current / cache_key(sound)


def cache_key(sound: str) -> str:
    """Return the file name of a sound's features, from its identity."""
    return hashlib.sha256(sound.encode("utf-8", "surrogatepass")).hexdigest()
