"""How to get back from a file that we make to the file that it is made of.

Both are descriptions, ranges of the original and literal bytes. Turned round, the one describes the
original in ranges of the new file. No content is compared and no format is known, so time and
memory grow with the number of pieces only.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.basics.byte_views import Kept, joined, length_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from daemon.tagging.basics.byte_views import Assembled, Piece

_PIECE_COST = 8
_MOST_READ = 4 << 20


class WayBack(NamedTuple):
    """How an old file is made from a new one.

    Attributes:
        pieces: ranges of the new file, and literal bytes; None if they would be too large.
        lost: how many bytes of the old file are not in the new one.
    """

    pieces: list[Piece] | None
    lost: int


class _Stay(NamedTuple):
    """`length` bytes at `offset` of the original are at `place` of the new file."""

    offset: int
    length: int
    place: int


class _Gap(NamedTuple):
    """A range of the original that the new file does not have."""

    offset: int
    length: int


def way_back(old: Assembled, new: Assembled, most_bytes: int) -> WayBack:
    """Return how the old file is made from the new one.

    Args:
        old: made of the ranges of an original, like `new`.
        new: the file that will be at hand.
        most_bytes: how large the answer may be: literal bytes compressed, and 8 for each piece.

    Raises:
        OSError: the original cannot be read.
    """
    stays = _stays(new)
    parts: list[Kept | bytes | _Gap] = []
    for piece in old.pieces:
        parts += _parts(piece, stays) if isinstance(piece, Kept) else [piece]
    lost = sum(
        part.length if isinstance(part, _Gap) else len(part)
        for part in parts
        if not isinstance(part, Kept)
    )
    if lost > _MOST_READ:
        return WayBack(None, lost)
    pieces = list(
        joined(old.base.read(*part) if isinstance(part, _Gap) else part for part in parts)
    )
    literals = b"".join(piece for piece in pieces if isinstance(piece, bytes))
    # Padding that was removed, for instance, compresses to nothing.
    size = len(zlib.compress(literals, 1)) + _PIECE_COST * len(pieces)
    return WayBack(pieces if size <= most_bytes else None, lost)


def _stays(new: Assembled) -> list[_Stay]:
    """Return which ranges of the original are where in the new file, in order and none twice."""
    places = accumulate(map(length_of, new.pieces), initial=0)
    pairs = zip(new.pieces, places, strict=False)
    stays = []
    end = 0
    for offset, length, place in sorted((*p, at) for p, at in pairs if isinstance(p, Kept)):
        known = max(0, end - offset)
        if known < length:
            stays.append(_Stay(offset + known, length - known, place + known))
            end = offset + length
    return stays


def _parts(wanted: Kept, stays: Sequence[_Stay]) -> Iterator[Kept | _Gap]:
    """Yield where a range of the original is in the new file, and what of it is not there."""
    at, end = wanted.offset, wanted.offset + wanted.length
    index = max(0, bisect_right(stays, at, key=lambda stay: stay.offset) - 1)
    while at < end and index < len(stays):
        stay = stays[index]
        index += 1
        if at < stay.offset:
            gap = min(end, stay.offset) - at
            yield _Gap(at, gap)
            at += gap
        length = min(end, stay.offset + stay.length) - at
        if length > 0:
            yield Kept(stay.place + at - stay.offset, length)
            at += length
    if at < end:
        yield _Gap(at, end - at)
