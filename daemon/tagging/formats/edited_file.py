"""A file that is edited in memory only: the ranges that stay, and the bytes that are new.

mutagen moves all bytes behind a tag that grows, by reading and writing them. What is read here
remembers where it came from, so that it is still a range of the original where it is written again.
"""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

from daemon.tagging.basics.byte_views import (
    Assembled,
    Kept,
    ViewFile,
    common_prefix,
    joined,
    length_of,
)
from daemon.tagging.basics.tag_errors import MUCH_TO_REWRITE, TagsRefused
from daemon.tagging.basics.tag_jobs import MOST_WRITTEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from daemon.tagging.basics.byte_views import Piece

# Shorter parts are not worth a range of their own.
_SHORTEST_PASSAGE = 1024


class _Passage(bytes):
    """Bytes that know what they are made of."""

    pieces: Sequence[Piece]


class _Changeable(Assembled):
    """An assembled view whose pieces may be replaced."""

    def put(self, at: int, new: Sequence[Piece]) -> None:
        """Replace the bytes from an offset on, which may also lie at the end."""
        end = at + sum(map(length_of, new))
        # The neighbours are taken along, as they may continue what is put between them.
        first = max(0, bisect_right(self._starts, at, hi=len(self.pieces)) - 2)
        last = min(len(self.pieces), bisect_left(self._starts, end) + 1)
        head = self.under(Kept(self._starts[first], at - self._starts[first]))
        tail = self.under(Kept(end, max(0, self._starts[last] - end)))
        self._replace(first, last, [*head, *new, *tail])

    def cut(self, size: int) -> None:
        """Remove what lies behind the first `size` bytes."""
        last = min(len(self.pieces), bisect_left(self._starts, size))
        first = max(0, last - 1)
        rest = self.under(Kept(self._starts[first], size - self._starts[first]))
        del self.pieces[last:], self._starts[last + 1 :]
        self._replace(first, last, list(rest))

    def _replace(self, first: int, last: int, new: Iterable[Piece]) -> None:
        parts = list(joined(new))
        self.pieces[first:last] = parts
        ends = accumulate(map(length_of, parts), initial=self._starts[first])
        self._starts[first : last + 1] = ends
        self.size = self._starts[-1]


class EditedFile(ViewFile):
    """The file object through which mutagen edits.

    Args:
        content: the file before the edit; it stays as it is.
    """

    def __init__(self, content: Assembled) -> None:
        self._content = _Changeable(content.base, content.pieces)
        super().__init__(self._content)
        self._written = 0

    def edited(self) -> Assembled:
        """Return the file as it is now."""
        return Assembled(self._content.base, self._content.pieces)

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes from the current position; all if negative."""
        at = self.tell()
        content = super().read(size)
        if len(content) < _SHORTEST_PASSAGE:
            return content
        passage = _Passage(content)
        passage.pieces = tuple(self._content.under(Kept(at, len(content))))
        return passage

    def write(self, content: bytes) -> int:
        """Write all bytes at the current position.

        Raises:
            TagsRefused: too much was written.
        """
        at = self.tell()
        if isinstance(content, _Passage):
            self._content.put(at, content.pieces)
        elif content:
            present = self._content.read(at, len(content))
            same = common_prefix(content, present)
            end = len(content)
            if len(present) == end:
                end -= common_prefix(content[:same:-1], present[:same:-1])
            self._written += end - same
            if self._written > MOST_WRITTEN:
                raise TagsRefused(MUCH_TO_REWRITE)
            if end > same:
                self._content.put(at + same, [bytes(content[same:end])])
        self.seek(len(content), os.SEEK_CUR)
        return len(content)

    def truncate(self, size: int | None = None) -> int:
        """Set the length, to the current position by default; it can only shrink."""
        length = self.tell() if size is None else size
        self._content.cut(length)
        return length

    def flush(self) -> None:
        """Do nothing, as nothing is buffered."""
