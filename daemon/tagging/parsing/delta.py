"""How to make bytes from a similar file: the ranges they share, and the literal bytes between.

Bytes are compared whatever the container. Three guesses find where the wanted bytes continue in
the file after a difference: as far along as before (bytes were changed), where both end alike
(bytes were inserted or removed), and where a search finds a block of them, ahead or in what was
passed over (parts were moved). A guess counts only after its bytes were compared, so a wrong one
costs size and never correctness.

Equal ranges are compared in chunks, so time grows with the size of the files and memory does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.tagging.basics.byte_views import Kept, common_length, joined

if TYPE_CHECKING:
    from daemon.tagging.basics.byte_views import Assembled, Piece, View

SHORTEST_RANGE = 32
"""Fewer equal bytes in a row are not worth a reference; also the size of a block searched for."""

SEARCHED_BYTES = 1 << 20
"""How far ahead in the file moved parts are searched for."""

# Searches are the slow part, so a long gap gets fewer of them.
_SEARCH_EVERY, _LONG_GAP = 64, 4096
# A literal that is not longer stays: a search for its parts reads megabytes, and saves little.
_SHORT = 256
_PIECE_COST = 8
_CACHED = 1 << 16


def briefly(content: Assembled, most_bytes: int) -> list[Piece]:
    """Return the same content with fewer literal bytes, where its base holds them, too.

    Args:
        content: ranges of its base and literal bytes.
        most_bytes: a literal of which more is new stays as it is, like a short one.
    """
    pieces: list[Piece] = []
    at, size = 0, content.base.size
    following = [*content.pieces[1:], Kept(size, 0)]
    for piece, after in zip(content.pieces, following, strict=True):
        if isinstance(piece, Kept):
            pieces.append(piece)
            at = piece.offset + piece.length
            continue
        if len(piece) <= _SHORT:
            pieces.append(piece)
            continue
        end = after.offset if isinstance(after, Kept) else size
        guesses = (at, end - len(piece))
        shorter = delta(_Literal(piece), content.base, most_bytes, guesses)
        pieces += [piece] if shorter is None else shorter
    return list(joined(pieces))


def delta(
    wanted: View, file: View, most_bytes: int, guesses: tuple[int, int] | None = None
) -> list[Piece] | None:
    """Return what the wanted bytes are made of.

    Args:
        wanted: the bytes to describe.
        file: the file that is at hand.
        most_bytes: how large the answer may be, each reference counted as 8 bytes.
        guesses: where in the file the first wanted byte is, if it begins as they do, and if it ends
            as they do. By default they share their beginning or their end.

    Returns:
        Ranges of the file and literal bytes, in the order wanted; None if they would be too large.
    """
    pieces: list[Piece] = []
    literal = bytearray()
    search = _Search(wanted, file, guesses or (0, file.size - wanted.size))
    at = spent = 0
    while at < wanted.size:
        place = search.place_of(at, len(literal))
        if place is None:
            literal += search.wanted.read(at, 1)
            at += 1
            spent += 1
            if spent > most_bytes:
                return None
            continue
        while literal and place and literal[-1:] == search.file.read(place - 1, 1):
            del literal[-1]
            at, place = at - 1, place - 1
        length = common_length(wanted, at, file, place)
        pieces += [bytes(literal), Kept(place, length)] if literal else [Kept(place, length)]
        search.note_jump(at - len(literal), place)
        literal.clear()
        at += length
        search.shift = place + length - at
        spent += _PIECE_COST
    if literal:
        pieces.append(bytes(literal))
    return pieces if spent <= most_bytes else None


class _Literal:
    """Bytes in memory, as a view."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length]


class _Search:
    """Finds where the wanted bytes from an offset on appear in the file."""

    def __init__(self, wanted: View, file: View, guesses: tuple[int, int]) -> None:
        self.wanted = _Cached(wanted, _CACHED)
        self.file = _Cached(file, _CACHED)
        self.shift, self._shift_at_end = guesses
        self._skipped = self.shift
        # What both end with may be far from the rest, so it has a cache of its own.
        self._end_of_file = _Cached(file, _CACHED)
        self._ahead = _Cached(file, 2 * SEARCHED_BYTES)
        self._behind = _Cached(file, 2 * SEARCHED_BYTES)

    def place_of(self, at: int, gap: int) -> int | None:
        """Return the offset in the file; `gap` bytes before `at` were not found."""
        block = self.wanted.read(at, SHORTEST_RANGE)
        for shift, file in ((self.shift, self.file), (self._shift_at_end, self._end_of_file)):
            if at + shift >= 0 and file.read(at + shift, len(block)) == block:
                return at + shift
        every = _SEARCH_EVERY if gap < _LONG_GAP else _LONG_GAP
        if gap % every != SHORTEST_RANGE or len(block) < SHORTEST_RANGE:
            return None
        for start, file in ((at + self.shift - gap, self._ahead), (self._skipped, self._behind)):
            found = file.read(max(0, start), SEARCHED_BYTES).find(block)
            if found >= 0:
                return max(0, start) + found
        return None

    def note_jump(self, gap_at: int, place: int) -> None:
        """Remember what the file holds before `place`, if it was passed over so far."""
        expected = gap_at + self.shift
        if place - expected > SHORTEST_RANGE:
            self._skipped = expected


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
