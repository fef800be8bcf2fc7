"""Reads archives of arrays from bytes, without unpickling and within a limit of memory."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_arrays(content: bytes, most_bytes: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz archive, by name.

    Args:
        content: the archive.
        most_bytes: how many bytes they may have together; an archive of zeros unpacks to a
            thousand times its size.

    Raises:
        ValueError: they have more, or hold objects.
        Exception: it is damaged; zip, zlib and numpy's header parser raise more than they document.
    """
    import numpy as np  # noqa: PLC0415 - what only verifies files stays small

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > most_bytes:
        raise ValueError(f"its arrays have {size} bytes, more than the {most_bytes} allowed")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
