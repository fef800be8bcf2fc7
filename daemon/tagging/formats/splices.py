"""Edits of a file as a few byte splices, so that all other bytes stay by construction.

A container module never rewrites a file: it names the bytes to take out and the bytes to put
in their place. The same list, turned around, is the undo journal.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class View(Protocol):
    """Bytes that can be read at any place."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`; fewer only at the end."""


class Splice(NamedTuple):
    """`length` bytes at `offset` (of the bytes before the edit) give way to `new`."""

    offset: int
    length: int
    new: bytes

    @property
    def growth(self) -> int:
        """How many bytes longer (negative: shorter) the file becomes."""
        return len(self.new) - self.length


class Kept(NamedTuple):
    """A range of the file before the edit that appears unchanged after it."""

    offset: int
    length: int


Piece = Kept | bytes


class Memory:
    """Bytes held in memory, as a view."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self._content)

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`."""
        return self._content[offset : offset + length]


class OpenFile:
    """An open file descriptor, as a view; its length is taken once.

    Args:
        descriptor: open for reading; it stays the caller's to close.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size

    @property
    def size(self) -> int:
        """Length in bytes when the view was made."""
        return self._size

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`.

        Raises:
            OSError: the medium failed.
        """
        parts = []
        while length > 0 and (part := os.pread(self._descriptor, length, offset)):
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return b"".join(parts)


class Patched:
    """A view as it would be after some splices, without writing anything.

    Args:
        base: the bytes before.
        splices: the edits, in offsets of `base`; they must not overlap.
    """

    def __init__(self, base: View, splices: Iterable[Splice]) -> None:
        pieces: Iterable[Piece] = _pieces(base.size, tidy(splices))
        if isinstance(base, Patched):
            pieces = [under for piece in pieces for under in base.under(piece)]
            base = base.base
        self.base: View = base
        self._pieces = list(pieces)
        self._starts = [0, *accumulate(_length(piece) for piece in self._pieces)]

    @property
    def size(self) -> int:
        """Length in bytes after the splices."""
        return self._starts[-1]

    @property
    def pieces(self) -> Sequence[Piece]:
        """What the result is made of, in order; ranges are of the innermost base."""
        return self._pieces

    def under(self, piece: Piece) -> Iterator[Piece]:
        """Yield what a piece of this result is made of."""
        if isinstance(piece, bytes):
            yield piece
            return
        for own, at, take in self._within(piece.offset, piece.length):
            yield Kept(own.offset + at, take) if isinstance(own, Kept) else own[at : at + take]

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset` of the result."""
        return b"".join(
            self.base.read(piece.offset + at, take)
            if isinstance(piece, Kept)
            else piece[at : at + take]
            for piece, at, take in self._within(offset, length)
        )

    def _within(self, offset: int, length: int) -> Iterator[tuple[Piece, int, int]]:
        index = bisect_right(self._starts, offset) - 1
        end = min(offset + length, self.size)
        while offset < end:
            at = offset - self._starts[index]
            take = min(end, self._starts[index + 1]) - offset
            yield self._pieces[index], at, take
            offset += take
            index += 1


def tidy(splices: Iterable[Splice]) -> list[Splice]:
    """Return the splices in order, without those that change nothing.

    Raises:
        ValueError: two splices overlap.
    """
    ordered = sorted(splices, key=lambda splice: (splice.offset, splice.length))
    for one, other in pairwise(ordered):
        if one.offset + one.length > other.offset:
            raise ValueError(f"overlapping edits at {one.offset} and {other.offset}")
    return [splice for splice in ordered if splice.length or splice.new]


def narrow(view: View, splices: Iterable[Splice]) -> list[Splice]:
    """Cut from each splice the bytes at its ends that stay what they were."""
    narrowed = []
    for offset, length, new in tidy(splices):
        old = view.read(offset, length)
        head = _shared(old, new)
        tail = _shared(old[head:][::-1], new[head:][::-1])
        middle = new[head : len(new) - tail]
        narrowed.append(Splice(offset + head, length - head - tail, middle))
    return tidy(narrowed)


def inverse(view: View, splices: Iterable[Splice]) -> list[Splice]:
    """Return what undoes the splices, in offsets of the result.

    Args:
        view: the bytes before.
        splices: the edits about to be made to them.
    """
    undo = []
    shift = 0
    for splice in tidy(splices):
        old = view.read(splice.offset, splice.length)
        undo.append(Splice(splice.offset + shift, len(splice.new), old))
        shift += splice.growth
    return undo


def _shared(one: bytes, other: bytes) -> int:
    """Return how many first bytes two strings share, halving instead of looping byte by byte."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _pieces(size: int, splices: Iterable[Splice]) -> Iterator[Piece]:
    at = 0
    for splice in splices:
        if splice.offset > at:
            yield Kept(at, splice.offset - at)
        if splice.new:
            yield splice.new
        at = splice.offset + splice.length
    if at < size:
        yield Kept(at, size - at)


def _length(piece: Piece) -> int:
    return piece.length if isinstance(piece, Kept) else len(piece)
