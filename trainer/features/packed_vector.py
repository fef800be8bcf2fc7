"""The form of a packed vector, for those who check one without reading it, and without NumPy."""

from __future__ import annotations

from typing import Final

FORMAT: Final = 1
"""First byte of a packed vector; another number means another code."""

VALUES: Final = 6457
"""Values in a vector of the one feature set."""

VALUES_BEFORE_TEXTURE: Final = 6439
"""Values in a vector of 0.2.0 and earlier; what is missing at its end is estimated."""


def is_packed(packed: object, size: int) -> bool:
    """Returns whether an object is a packed vector of `size` values."""
    return isinstance(packed, bytes) and len(packed) == 1 + 2 * size and packed[0] == FORMAT


def is_stored(packed: object, size: int) -> bool:
    """Returns the same of a vector that this or an earlier release may have stored."""
    return is_packed(packed, size) or (size == VALUES and is_packed(packed, VALUES_BEFORE_TEXTURE))
