"""Files with holes: ranges that were never written, take no room, and read as zeros."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from daemon.tagging.basics.tag_errors import TagsRefused

if TYPE_CHECKING:
    from daemon.tagging.disk.source import SourceFile

SPARSE: Final = "most of it are holes, so it is not complete; kept in the catalogue only"

_BLOCK = 512
_FEW = 1 << 20
_MOST_RANGES = 1000


def refuse_holes(source: SourceFile) -> None:
    """Refuse a file of which more than a megabyte, and more than half, are holes.

    A copy of it would take far more room than the file does, and reading it could take for ever.

    Raises:
        TagsRefused: it is such a file.
    """
    size = source.status.st_size
    # Compressed files, too, take less room than their size, so this alone shows nothing.
    missing = size - source.status.st_blocks * _BLOCK
    if missing <= max(_FEW, size // 2):
        return
    if size - _written(source.descriptor, size // 2) > max(_FEW, size // 2):
        raise TagsRefused(SPARSE)


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
