"""The form of a packed vector, for those who check one without reading it, and without NumPy."""

from __future__ import annotations

from typing import Final

FORMAT: Final = 1
"""First byte of a packed vector; another number means another code."""

VALUES: Final = 6439
"""Values in a vector of the one feature set."""


def is_packed(packed: object, size: int) -> bool:
    """Returns whether an object is a packed vector of `size` values."""
    return isinstance(packed, bytes) and len(packed) == 1 + 2 * size and packed[0] == FORMAT
