"""Packs what a file is made of into bytes: ranges of another file, and literal bytes between.

Each entry is three 64-bit numbers (offset and length of a range, length of the literal) and the
literal itself; a range or a literal of no length stands for nothing.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from daemon.tagging.basics.byte_views import Kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from daemon.tagging.basics.byte_views import Piece

_ENTRY = struct.Struct("<QQQ")


def packed(pieces: Iterable[Piece]) -> bytes:
    """Return the pieces as bytes."""
    return b"".join(
        _ENTRY.pack(*piece, 0) if isinstance(piece, Kept) else _ENTRY.pack(0, 0, len(piece)) + piece
        for piece in pieces
    )


def entries(raw: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield offset, length and literal of each entry.

    Raises:
        ValueError: not such entries.
    """
    at = 0
    while at < len(raw):
        if len(raw) - at < _ENTRY.size:
            raise ValueError("an entry is cut short")
        offset, length, count = _ENTRY.unpack_from(raw, at)
        at += _ENTRY.size
        if count > len(raw) - at:
            raise ValueError("a literal is cut short")
        yield offset, length, raw[at : at + count]
        at += count


def unpacked(raw: bytes, size: int) -> list[Piece]:
    """Return what was packed.

    Args:
        raw: as `packed` returned it.
        size: of the file that ranges refer to, in bytes.

    Raises:
        ValueError: not packed pieces, or a range beyond the file.
    """
    pieces: list[Piece] = []
    for offset, length, literal in entries(raw):
        if length > size - offset:
            raise ValueError("a range lies beyond the file")
        if length:
            pieces.append(Kept(offset, length))
        if literal:
            pieces.append(literal)
    return pieces
