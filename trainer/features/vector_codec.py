"""Packs vectors in two bytes a value, so that the features of a library stay small.

ComParE's functionals span more than float16 can hold (1e-9 to 1e12), and no statistics of a corpus
may be needed to read them back. The code is float32 with its exponent narrowed from eight bits to
six and its mantissa rounded from 23 bits to nine: a sign, and 15 bits that grow with the magnitude.
It needs integer arithmetic only, so every machine reads the same values.

Between 2**-26 and 2**38 a value is off by at most 1 part in 1024 (0.098 %); smaller ones become
zero, larger ones the largest. The order of values never changes.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from trainer.features.packed_vector import FORMAT, VALUES, VALUES_BEFORE_TEXTURE, is_packed
from trainer.features.texture_estimate import shipped_estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.arrays import FloatArray

_DROPPED_BITS = 23 - 9
_LOWEST = (127 - 26 << 9) - 1  # so that code 1 is 2**-26, and code 0 is left for zero
_HIGHEST_CODE = 0x7FFF


def pack(vector: FloatArray) -> bytes:
    """Packs a vector of shape (n,), float32, finite.

    Returns:
        1 + 2 n bytes: the format byte, then little-endian codes.

    Raises:
        ValueError: a value is not finite, or the vector is not one-dimensional.
    """
    values = np.ascontiguousarray(vector, dtype=np.float32)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError("only a one-dimensional vector of finite values can be packed")
    bits = values.view(np.uint32)
    magnitude = (bits & np.uint32(0x7FFFFFFF)).astype(np.int64)
    rounded = magnitude + (1 << _DROPPED_BITS - 1) >> _DROPPED_BITS
    codes = np.clip(rounded - _LOWEST, 0, _HIGHEST_CODE)
    # A negative value too small to store becomes plain zero, so that zero has one code only.
    signs = np.where((bits >> 31 == 1) & (codes > 0), 0x8000, 0)
    packed: bytes = (codes | signs).astype("<u2").tobytes()
    return bytes([FORMAT]) + packed


def unpack(packed: bytes) -> FloatArray:
    """Reads a packed vector, into shape (n,), float32, finite.

    Raises:
        ValueError: the bytes are not a packed vector of this format.
    """
    if len(packed) % 2 != 1 or packed[0] != FORMAT:
        raise ValueError(f"not a packed vector of format {FORMAT}")
    stored = np.frombuffer(packed, dtype="<u2", offset=1).astype(np.uint32)
    codes = stored & np.uint32(0x7FFF)
    magnitude = np.where(codes == 0, 0, codes + _LOWEST << _DROPPED_BITS).astype(np.uint32)
    return (magnitude | (stored & np.uint32(0x8000)) << np.uint32(16)).view(np.float32)


def unpack_many(packed: Sequence[bytes]) -> FloatArray:
    """Reads one or more packed vectors of one length, into shape (vectors, n), float32, finite.

    Those of 0.2.0 and earlier are completed, and may come together with later ones.

    Raises:
        ValueError: the bytes are not packed vectors of this format and of one length.
    """
    if {len(each) // 2 for each in packed} == {VALUES, VALUES_BEFORE_TEXTURE}:
        whole = np.array([len(each) // 2 == VALUES for each in packed])
        vectors = np.empty((len(packed), VALUES), np.float32)
        for those in (whole, ~whole):
            vectors[those] = unpack_many([packed[row] for row in np.flatnonzero(those).tolist()])
        return vectors
    length = len(packed[0])
    if not all(is_packed(each, length // 2) for each in packed):
        raise ValueError(f"not packed vectors of format {FORMAT} and of one length")
    rows = np.frombuffer(b"".join(packed), dtype=np.uint8).reshape(len(packed), length)
    return completed(unpack_codes(FORMAT, np.ascontiguousarray(rows[:, 1:]).view("<u2")))


def completed(vectors: FloatArray) -> FloatArray:
    """Returns vectors of shape (vectors, n) with their texture estimated if they lack it."""
    if vectors.shape[1] != VALUES_BEFORE_TEXTURE:
        return vectors
    return np.hstack([vectors, rounded(shipped_estimate().of(vectors))])


def unpack_codes(code: int, codes: NDArray[np.uint16]) -> FloatArray:
    """Reads the codes of packed vectors, of any shape; `code` is the first byte of each vector.

    Raises:
        ValueError: `code` is not that of this format.
    """
    if code != FORMAT:
        raise ValueError(f"not packed vectors of format {FORMAT}")
    return _values().take(codes)


@cache
def _values() -> FloatArray:
    """Returns the value of each code, shape (65536,)."""
    return unpack(bytes([FORMAT]) + np.arange(1 << 16, dtype="<u2").tobytes())


def rounded(vectors: FloatArray) -> FloatArray:
    """Returns vectors of shape (..., n), float32, as they come back from storage.

    `rounded(rounded(v))` equals `rounded(v)`.

    Raises:
        ValueError: a value is not finite.
    """
    return unpack(pack(vectors.ravel())).reshape(vectors.shape)
