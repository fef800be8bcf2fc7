"""Files with holes: ranges that were never written, take no room, and read as zeros."""

from __future__ import annotations

import errno
import os
from typing import Final

MOSTLY_HOLES: Final = "most of it was never written (holes in the file), so it is not complete"

_BLOCK = 512
_FEW = 1 << 20
_MOST_RANGES = 1000


def is_mostly_holes(descriptor: int) -> bool:
    """Tell whether more than a megabyte, and more than half, of an open file are holes.

    A copy of such a file would take far more room than the file does, and reading one of a few
    blocks can take for ever.

    Raises:
        OSError: the file cannot be examined.
    """
    status = os.fstat(descriptor)
    size, most = status.st_size, max(_FEW, status.st_size // 2)
    # Compressed files, too, take less room than their size, so this alone shows nothing.
    if size - status.st_blocks * _BLOCK <= most:
        return False
    return size - _written(descriptor, size - most) > most


def _written(descriptor: int, enough: int) -> int:
    """Count the bytes that are no holes, up to `enough` of them, or in the first ranges."""
    written = end = 0
    for _ in range(_MOST_RANGES):
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
            end = os.lseek(descriptor, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        written += end - start
        if written >= enough:
            break
    return written
