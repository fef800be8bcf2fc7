"""Ogg pages: found, joined into packets, split again, numbered and summed."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.tagging.formats.splices import View

CONTINUED, FIRST, LAST = 1, 2, 4
MOST_SEGMENTS = 255
_HEADER = struct.Struct("<4sBBqIIIB")
_NUMBERS_AT, _SUM_AT = 18, 22
_UNFINISHED = -1
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Page(NamedTuple):
    """One page as it stands in the file; `segments` are the lacing values."""

    offset: int
    flags: int
    position: int
    serial: int
    number: int
    segments: bytes

    @property
    def body(self) -> int:
        """Offset of the first byte of sound or comment."""
        return self.offset + _HEADER.size + len(self.segments)

    @property
    def end(self) -> int:
        """Offset of the next page."""
        return self.body + sum(self.segments)


def page_at(view: View, offset: int) -> Page:
    """Return the page at `offset`.

    Raises:
        Refused: there is no whole page.
    """
    head = view.read(offset, _HEADER.size)
    if len(head) < _HEADER.size or head[:4] != b"OggS" or head[4]:
        raise TagsRefused("its Ogg pages do not follow one another; the file is left alone")
    _, _, flags, position, serial, number, _, count = _HEADER.unpack(head)
    segments = view.read(offset + _HEADER.size, count)
    page = Page(offset, flags, position, serial, number, segments)
    if len(segments) < count or page.end > view.size:
        raise TagsRefused("its last Ogg page is cut off; the file is left alone")
    return page


def pages_from(view: View, offset: int) -> Iterator[Page]:
    """Yield every page from `offset` to the end of the file.

    Raises:
        Refused: something else than a page stands between.
    """
    while offset < view.size:
        page = page_at(view, offset)
        yield page
        offset = page.end


def render(page: Page, body: bytes) -> bytes:
    """Return the bytes of a page with the right checksum."""
    fields = (b"OggS", 0, page.flags, page.position, page.serial, page.number)
    header = _HEADER.pack(*fields, 0, len(page.segments)) + page.segments
    total = struct.pack("<I", checksum(header + body))
    return header[:_SUM_AT] + total + header[_SUM_AT + 4 :] + body


def renumbered(view: View, page: Page, number: int) -> bytes:
    """Return number and checksum, as stored, of a page that gets another number."""
    raw = bytearray(view.read(page.offset, page.end - page.offset))
    struct.pack_into("<II", raw, _NUMBERS_AT, number & 0xFFFFFFFF, 0)
    struct.pack_into("<I", raw, _SUM_AT, checksum(bytes(raw)))
    return bytes(raw[_NUMBERS_AT : _SUM_AT + 4])


def checksum(raw: bytes) -> int:
    """Return the checksum of a page whose own checksum field is zero."""
    # Ogg sums bits in the other order than zlib, starting from zero and without a final inversion.
    reflected = zlib.crc32(raw.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)


def lacing(length: int) -> bytes:
    """Return the lacing values of a packet of `length` bytes."""
    return b"\xff" * (length // 255) + bytes([length % 255])


def repaged(run: list[Page], segments: bytes, body: bytes) -> bytes:
    """Return the bytes of pages that carry new segments in place of those of `run`.

    The number of pages stays if the segments fit; then no later page needs another number.

    Args:
        run: neighbouring pages of one stream.
        segments: lacing values of everything they shall carry.
        body: the bytes of it.
    """
    counts = _counts([len(page.segments) for page in run], len(segments))
    pages = []
    taken = at = 0
    for index, count in enumerate(counts):
        lace = segments[taken : taken + count]
        continued = CONTINUED if taken and segments[taken - 1] == 255 else 0  # noqa: PLR2004
        flags = run[0].flags if index == 0 else continued
        finished = any(value < 255 for value in lace)  # noqa: PLR2004
        model = run[0]._replace(
            flags=flags,
            position=0 if finished else _UNFINISHED,
            number=run[0].number + index,
            segments=lace,
        )
        pages.append(render(model, body[at : at + sum(lace)]))
        taken += count
        at += sum(lace)
    return b"".join(pages)


def page_count(run: list[Page], segments: bytes) -> int:
    """Return over how many pages `repaged` spreads the segments."""
    return len(_counts([len(page.segments) for page in run], len(segments)))


def _counts(before: list[int], total: int) -> list[int]:
    needed = -(-total // MOST_SEGMENTS)
    if not needed <= len(before) <= total:
        counts = [MOST_SEGMENTS] * needed
        counts[-1] = total - MOST_SEGMENTS * (needed - 1)
        return counts
    counts = list(before)
    missing = total - sum(counts)
    for index in reversed(range(len(counts))):
        fitting = min(MOST_SEGMENTS, max(1, counts[index] + missing))
        missing -= fitting - counts[index]
        counts[index] = fitting
    return counts
