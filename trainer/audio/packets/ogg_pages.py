"""Finds the packets of an Ogg file that holds one stream and no damage (RFC 3533).

Only pages are looked at. Where all of them are whole and yet hold packets that no encoder makes,
ffmpeg may end earlier.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from zlib import crc32

from trainer.audio.sound_file import Extent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.audio.sound_file import FileView

# How many packets come before the sound, on pages of their own.
_HEADERS: Final = {"vorbis": 3, "opus": 2}
_OPUS_TAGS: Final = b"OpusTags"
_HEADER: Final = 27
_LONGEST: Final = _HEADER + 255 + 255 * 255
_BLOCK: Final = 2**20
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_FULL: Final = 255
_EMPTY: Final = re.compile(rb"[^\xff]\0")
_FURTHEST: Final = 2**48
# Ten hours of Opus; a crafted file has a page for each 27 bytes, which would fill the memory.
_MOST_PAGES: Final = 200_000

# Ogg's checksum is that of zlib with the bits of each byte in the other order.
_TURNED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_CHECKSUM, _AFTER_CHECKSUM = 22, 26
_FROM_ZERO: Final = 0xFFFFFFFF


class _Page(NamedTuple):
    flags: int
    position: int
    serial: bytes
    number: int
    lengths: bytes
    body: Extent

    @property
    def ends(self) -> int:
        """How many packets end on it."""
        return len(self.lengths) - self.lengths.count(_FULL)

    @property
    def is_open(self) -> bool:
        """Whether its last packet continues on the next page."""
        return self.lengths.endswith(b"\xff")


def sound_extents(view: FileView, codec: str) -> list[Extent]:
    """Returns where the bytes of all packets lie, but for those of the headers.

    Args:
        view: the file.
        codec: of its sound.

    Returns:
        None of them for other codecs than Vorbis and Opus, if a page is damaged or lost, if there
        are several streams, more headers or very many pages, or if a packet is empty or cut off.

    Raises:
        OSError: the file cannot be read.
    """
    headers = _HEADERS.get(codec)
    if headers is None:
        return []
    extents: list[Extent] = []
    before: _Page | None = None
    position = 0
    for page in _pages(view):
        if not _may_follow(before, page) or len(extents) >= _MOST_PAGES:
            return []
        if page.ends:
            # ffmpeg leaves sound out where positions go back.
            if not position <= page.position < _FURTHEST:
                return []
            position = page.position
        if headers:
            headers -= page.ends
            if headers < 0 or (headers == 0 and page.is_open):
                return []
        else:
            extents.append(page.body)
        before = page
    is_whole = before is not None and not before.is_open and before.body.end == view.size
    if not is_whole or not extents or _is_header(view, extents[0], codec):
        return []
    return extents


def _is_header(view: FileView, extent: Extent, codec: str) -> bool:
    view.seek(extent.start)
    start = view.read(len(_OPUS_TAGS))
    return bool(start[0] & 1) if codec == "vorbis" else start == _OPUS_TAGS


def _may_follow(before: _Page | None, page: _Page) -> bool:
    """Returns whether a page is what an encoder would write next."""
    if before is None:
        return page.flags == _FIRST
    # ffmpeg ends at an empty packet.
    lengths = (b"\xff" if before.is_open else b"\1") + page.lengths
    return (
        page.serial == before.serial
        and page.number == before.number + 1
        and not before.flags & _LAST
        and page.flags & ~_LAST == (_CONTINUED if before.is_open else 0)
        and _EMPTY.search(lengths) is None
    )


def _pages(view: FileView) -> Iterator[_Page]:
    """Yields the pages up to the end, or to one that is damaged."""
    begin = at = 0
    block = turned = b""
    while True:
        if at + _LONGEST > begin + len(block):
            view.seek(at)
            begin, block = at, view.read(_BLOCK)
            turned = block.translate(_TURNED)
        here = at - begin
        body = here + _HEADER + (block[here + _HEADER - 1] if here + _HEADER <= len(block) else 0)
        lengths = block[here + _HEADER : body]
        end = body + sum(lengths)
        if end > len(block) or block[here : here + 5] != b"OggS\0":
            return
        if block[here + _CHECKSUM : here + _AFTER_CHECKSUM] != _checksum(turned, here, end):
            return
        number = int.from_bytes(block[here + 18 : here + _CHECKSUM], "little")
        position = int.from_bytes(block[here + 6 : here + 14], "little")
        extent = Extent(begin + body, begin + end)
        serial = block[here + 14 : here + 18]
        yield _Page(block[here + 5], position, serial, number, lengths, extent)
        at = begin + end


def _checksum(turned: bytes, start: int, end: int) -> bytes:
    page = memoryview(turned)[start:end]
    found = crc32(page[:_CHECKSUM], _FROM_ZERO)
    found = crc32(page[_AFTER_CHECKSUM:], crc32(bytes(4), found))
    return (found ^ _FROM_ZERO).to_bytes(4, "big").translate(_TURNED)
