"""How to make a file from a similar one: the ranges they share, and the literal bytes between.

The files are compared as plain bytes, whatever their container. Three guesses find where the old
file continues in the new one after a difference: as far along as before (bytes were changed), where
both files end alike (bytes were inserted or removed), and where a search finds a block of the old
file (parts were moved). A guess counts only after its bytes were compared, so a wrong one costs
size and never correctness.

Equal ranges are compared in chunks, so time grows with the size of the files and memory does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.tagging.formats.byte_views import Kept, common_length

if TYPE_CHECKING:
    from daemon.tagging.formats.byte_views import Piece, View

SHORTEST_RANGE = 32
"""Fewer equal bytes in a row are not worth a reference; also the size of a block searched for."""

SEARCHED_BYTES = 1 << 20
"""How far ahead in the new file moved parts are searched for."""

# Searches are the slow part, so a long gap gets fewer of them.
_SEARCH_EVERY, _LONG_GAP = 64, 4096
_PIECE_COST = 8
_CACHED = 1 << 16


def delta(old: View, new: View, most_bytes: int) -> list[Piece] | None:
    """Return what the old file is made of.

    Args:
        old: the file to describe.
        new: the file that will be at hand.
        most_bytes: how large the answer may be, each reference counted as 8 bytes.

    Returns:
        Ranges of `new` and literal bytes, in the order of `old`; None if they would be too large.
    """
    pieces: list[Piece] = []
    literal = bytearray()
    search = _Search(old, new)
    at = spent = 0
    while at < old.size:
        place = search.place_of(at, len(literal))
        if place is None:
            literal += search.old.read(at, 1)
            at += 1
            spent += 1
            if spent > most_bytes:
                return None
            continue
        while literal and place and literal[-1:] == search.new.read(place - 1, 1):
            del literal[-1]
            at, place = at - 1, place - 1
        length = common_length(old, at, new, place)
        pieces += [bytes(literal), Kept(place, length)] if literal else [Kept(place, length)]
        literal.clear()
        at += length
        search.shift = place + length - at
        spent += _PIECE_COST
    if literal:
        pieces.append(bytes(literal))
    return pieces if spent <= most_bytes else None


class _Search:
    """Finds where the old bytes from an offset on appear in the new file."""

    def __init__(self, old: View, new: View) -> None:
        self.old = _Cached(old, _CACHED)
        self.new = _Cached(new, _CACHED)
        self.shift = 0
        # What both files end with may be far from the rest, so it has a cache of its own.
        self._end_of_new = _Cached(new, _CACHED)
        self._ahead = _Cached(new, 2 * SEARCHED_BYTES)
        self._growth = new.size - old.size

    def place_of(self, at: int, gap: int) -> int | None:
        """Return the offset in the new file; `gap` bytes before `at` were not found."""
        block = self.old.read(at, SHORTEST_RANGE)
        for shift, new in ((self.shift, self.new), (self._growth, self._end_of_new)):
            if at + shift >= 0 and new.read(at + shift, len(block)) == block:
                return at + shift
        every = _SEARCH_EVERY if gap < _LONG_GAP else _LONG_GAP
        if gap % every != SHORTEST_RANGE or len(block) < SHORTEST_RANGE:
            return None
        start = max(0, at + self.shift - gap)
        found = self._ahead.read(start, SEARCHED_BYTES).find(block)
        return start + found if found >= 0 else None


class _Cached:
    """A view whose last part read stays in memory, for reads of a few bytes in a row."""

    def __init__(self, view: View, cached: int) -> None:
        self._view = view
        self._cached = cached
        self._start = view.size
        self._part = b""

    def read(self, offset: int, length: int) -> bytes:
        at = offset - self._start
        ends = len(self._part) < self._cached
        if at < 0 or (at + length > len(self._part) and not ends):
            self._start, at = max(0, offset - SHORTEST_RANGE), min(offset, SHORTEST_RANGE)
            self._part = self._view.read(self._start, self._cached)
        return self._part[at : at + length]
