"""Bytes that can be read at any offset: of a file, or assembled from ranges of it and new bytes.

An `Assembled` view is a file as it will be after an edit, before anything is written. It names the
ranges that stay, so that they stay by construction.
"""

from __future__ import annotations

import errno
import os
from bisect import bisect_right
from contextlib import contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from daemon.tagging.basics.tag_errors import LARGE_TAGS, MANY_TAGS, TagsRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_AT_ONCE: Final = 64 << 20
"""How many bytes a parser of tags may ask for at once; more is only claimed by damaged headers."""

MOST_READS: Final = 1 << 20
"""How often a parser may read of one file; Ogg of ten hours needs half of it."""

_CHUNK = 1 << 20


class View(Protocol):
    """Bytes that can be read at any offset."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`; fewer only at the end.

        Raises:
            OSError: the medium failed.
        """


class Splice(NamedTuple):
    """`length` bytes at `offset` (of the bytes before the edit) are replaced by `new`."""

    offset: int
    length: int
    new: bytes


class Kept(NamedTuple):
    """A range of the underlying view that appears unchanged in the assembled one."""

    offset: int
    length: int


Piece = Kept | bytes


class OpenFile:
    """An open file descriptor, as a view; its length is taken once, and the caller closes it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`."""
        parts = []
        while length > 0 and (part := os.pread(self._descriptor, length, offset)):
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return b"".join(parts)


class Assembled:
    """Ranges of a view and new bytes, in a row.

    Args:
        base: the view that `Kept` pieces refer to.
        pieces: in the order of the result.
    """

    def __init__(self, base: View, pieces: Iterable[Piece]) -> None:
        if isinstance(base, Assembled):
            pieces = [under for piece in pieces for under in base.under(piece)]
            base = base.base
        self.base: View = base
        self.pieces = list(pieces)
        self._starts = [0, *accumulate(map(length_of, self.pieces))]
        self.size = self._starts[-1]

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`."""
        return b"".join(
            self.base.read(*piece) if isinstance(piece, Kept) else piece
            for piece in self.under(Kept(offset, length))
        )

    def under(self, wanted: Piece) -> Iterator[Piece]:
        """Yield what a piece of this view is made of."""
        if isinstance(wanted, bytes):
            yield wanted
            return
        offset, end = wanted.offset, min(wanted.offset + wanted.length, self.size)
        index = bisect_right(self._starts, offset) - 1
        while offset < end:
            piece, at = self.pieces[index], offset - self._starts[index]
            take = min(end, self._starts[index + 1]) - offset
            if isinstance(piece, Kept):
                yield Kept(piece.offset + at, take)
            else:
                yield piece[at : at + take]
            offset += take
            index += 1


class ViewFile:
    """A view as the read-only file object that mutagen accepts.

    Attributes:
        view: the bytes.
        failure: what the operating system reported, which mutagen hides among its own errors.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self.failure: OSError | None = None
        self._at = 0
        self._reads = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes from the current position; all if negative.

        Raises:
            TagsRefused: more than `MOST_AT_ONCE` would be read, or it is read too often.
            OSError: the medium failed.
        """
        there = max(0, self.view.size - self._at)
        length = there if size < 0 else min(size, there)
        if length > MOST_AT_ONCE:
            raise TagsRefused(LARGE_TAGS)
        self._reads += 1
        if self._reads > MOST_READS:
            raise TagsRefused(MANY_TAGS)
        with self.noting_failure():
            content = self.view.read(self._at, length)
        self._at += len(content)
        return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the current position; raises OSError if it would lie before the start."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.view.size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        """Return the current position."""
        return self._at

    @contextmanager
    def noting_failure(self) -> Iterator[None]:
        """Store in `failure` what the operating system reports."""
        try:
            yield
        except OSError as error:
            self.failure = error
            raise


def length_of(piece: Piece) -> int:
    """Return the length of a piece in bytes."""
    return piece.length if isinstance(piece, Kept) else len(piece)


def pieces_around(splices: Iterable[Splice], size: int) -> list[Piece]:
    """Return what `size` bytes become by the splices.

    Raises:
        ValueError: two splices overlap.
    """
    pieces: list[Piece] = []
    at = 0
    for offset, length, new in sorted(splices, key=lambda splice: (splice.offset, splice.length)):
        if offset < at:
            raise ValueError(f"overlapping edits at {offset}")
        pieces += [Kept(at, offset - at), new]
        at = offset + length
    pieces.append(Kept(at, size - at))
    return [piece for piece in pieces if length_of(piece)]


def joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield the pieces, ranges that continue one another as one, without empty ones."""
    before: Kept | None = None
    for piece in pieces:
        if not length_of(piece):
            continue
        if isinstance(piece, Kept):
            if before is not None and before.offset + before.length == piece.offset:
                before = Kept(before.offset, before.length + piece.length)
                continue
            if before is not None:
                yield before
            before = piece
            continue
        if before is not None:
            yield before
            before = None
        yield piece
    if before is not None:
        yield before


def common_length(one: View, at: int, other: View, place: int) -> int:
    """Return how many bytes are equal from `at` of one view and from `place` of the other."""
    length, step = 0, 64
    while True:
        shared = common_prefix(one.read(at + length, step), other.read(place + length, step))
        length += shared
        if shared < step:
            return length
        step = min(2 * step, _CHUNK)


def common_prefix(one: bytes, other: bytes) -> int:
    """Return how many first bytes two strings share, halving instead of looping byte by byte."""
    low, high = 0, min(len(one), len(other))
    if one[:high] == other[:high]:
        return high
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
