"""Keeps how sounds were heard, so that none is heard twice under the same settings."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import TYPE_CHECKING

from trainer.errors import TrainingError
from trainer.vectors import pack, unpack

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

_COUNT_BYTES = 4


class HeardStore:
    """A folder of heard sounds, one file each. May be emptied at any time; safe for many threads.

    Args:
        folder: where they are kept.
        hearing: key of the hearing; those of others are kept apart.

    Raises:
        TrainingError: the folder cannot be made.
    """

    def __init__(self, folder: Path, hearing: str) -> None:
        self._place = folder / hearing.replace("/", "_")
        try:
            self._place.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(f"{self._place}: {error.strerror}") from error

    def recall(self, sound: str) -> NDArray[np.float32] | None:
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

    def keep(self, sound: str, rows: NDArray[np.float32]) -> None:
        """Keep how a sound was heard.

        Args:
            sound: what tells it from others.
            rows: as `recall` returns them.

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

    def _file(self, sound: str) -> Path:
        return self._place / hashlib.sha256(sound.encode("utf-8", "surrogatepass")).hexdigest()
