"""The boxes of an MP4 file: found by name, measured, and rendered."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.tagging.formats.splices import View

_HEADER, _LONG_HEADER = 8, 16
_LARGEST = 0xFFFFFFFF


class Box(NamedTuple):
    """One box; `head` is the length of its header (8 or 16), `size` the whole."""

    name: bytes
    offset: int
    head: int
    size: int

    @property
    def body(self) -> int:
        """Offset of the first byte after the header."""
        return self.offset + self.head

    @property
    def end(self) -> int:
        """Offset after the box."""
        return self.offset + self.size


def boxes(view: View, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two offsets.

    Raises:
        Refused: a box leads out of its parent.
    """
    at = start
    while at + _HEADER <= end:
        head = _HEADER
        size, name = struct.unpack(">I4s", view.read(at, _HEADER))
        if size == 1:
            head = _LONG_HEADER
            raw = view.read(at + _HEADER, 8)
            size = int.from_bytes(raw, "big") if len(raw) == 8 else 0  # noqa: PLR2004
        elif size == 0:
            size = end - at
        if size < head or at + size > end:
            raise TagsRefused("its MP4 boxes do not fit into one another; the file is left alone")
        yield Box(name, at, head, size)
        at += size
    # Only bytes too few for a box may be left, as the four zeros that end some lists.
    if view.read(at, end - at).strip(b"\0"):
        raise TagsRefused("its MP4 boxes do not fit into one another; the file is left alone")


def child(view: View, parent: Box, name: bytes, *, skip: int = 0) -> Box | None:
    """Return the first box of a name inside another, `skip` bytes after its header."""
    found = (box for box in boxes(view, parent.body + skip, parent.end) if box.name == name)
    return next(found, None)


def resized(view: View, box: Box, growth: int) -> tuple[int, bytes]:
    """Return where the size of a box stands and the bytes that say its new size.

    Raises:
        Refused: the new size does not fit.
    """
    if box.head == _LONG_HEADER:
        return box.offset + _HEADER, struct.pack(">Q", box.size + growth)
    if view.read(box.offset, 4) == bytes(4) or box.size + growth > _LARGEST:
        raise TagsRefused("its MP4 boxes have no stated size to change; kept in the catalogue only")
    return box.offset, struct.pack(">I", box.size + growth)


def render(name: bytes, body: bytes) -> bytes:
    """Return a box."""
    return struct.pack(">I4s", len(body) + _HEADER, name) + body
