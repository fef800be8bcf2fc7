"""Finds the tags that any program may put in front of a sound file or behind it.

ID3v2, ID3v1, Lyrics3 and APE blocks belong to no container: ffmpeg skips them in some kinds of
file, takes them for sound in others (FLAC, AC-3, Monkey's Audio), and in a few does either,
depending on the block. Here they are found by their own signatures, whatever the file is.
"""

from __future__ import annotations

import os
import re
import struct
from typing import TYPE_CHECKING, NamedTuple

from trainer.audio.sound_file import Extent, opened
from trainer.trainer_errors import UnreadableClip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trainer.audio.sound_file import SoundFile

# Programs stack a few; a crafted file could stack millions.
_MOST_BLOCKS = 16

_ID3V2_LENGTH = 10
# Signature, version, flags, and a size in bytes that leave their highest bit out.
_ID3V2 = re.compile(rb"(ID3|3DI)[^\xff]{2}.[\x00-\x7f]{4}", re.DOTALL)
_ID3V2_HAS_FOOTER = 0x10
_ID3V1_LENGTH = 128
_ID3V1_EXTENDED_LENGTH = 227
_APE = struct.Struct("<8sIIIIQ")
_APE_SIGNATURE = b"APETAGEX"
_APE_HAS_HEADER, _APE_IS_HEADER = 1 << 31, 1 << 29
_APE_ITEM = struct.Struct("<II")
_LARGEST_BARE_APE = 16 * 2**20
_LYRICS_BEGIN = b"LYRICSBEGIN"
_LYRICS_END = {b"LYRICSEND", b"LYRICS200"}
_LYRICS_END_LENGTH = 9
_LYRICS_SIZE_LENGTH = 6
_LARGEST_LYRICS_V1 = 5100 + len(_LYRICS_BEGIN) + _LYRICS_END_LENGTH


def between_tags(source: Path | SoundFile) -> Extent | None:
    """Finds what lies between the outer tags of a file, given itself or by its path.

    Returns:
        Its extent, perhaps empty; None if the file has no outer tags, is not regular or cannot be
        read: opening its sound fails likewise, with a better message.
    """
    try:
        with opened(source) as file:
            return _find(file.descriptor)
    except (OSError, UnreadableClip):
        return None


def _find(descriptor: int) -> Extent | None:
    size = os.fstat(descriptor).st_size
    body = _Body(descriptor, 0)
    for _ in range(_MOST_BLOCKS):
        length = _id3v2_length(body.at(body.start, _ID3V2_LENGTH), b"ID3")
        if not 0 < length <= size - body.start:
            break
        body = _Body(descriptor, body.start + length)
    end = _before_tags(body, size)
    return Extent(body.start, end) if (body.start, end) != (0, size) else None


class _Body(NamedTuple):
    """What follows the leading tags of a file; trailing tags lie inside it."""

    descriptor: int
    start: int

    def at(self, offset: int, length: int) -> bytes:
        """Returns bytes of the file; none if they would lie before `start`."""
        if offset < self.start:
            return b""
        return os.pread(self.descriptor, length, offset)


def _before_tags(body: _Body, end: int) -> int:
    for _ in range(_MOST_BLOCKS):
        lengths = (length_before(body, end) for length_before in _TRAILING)
        length = next((length for length in lengths if 0 < length <= end - body.start), 0)
        if not length:
            break
        end -= length
    return end


def _id3v2_length(raw: bytes, signature: bytes) -> int:
    """Returns the length of the whole block whose header or footer this is, or 0."""
    if raw[:3] != signature or not _ID3V2.fullmatch(raw):
        return 0
    size = sum(byte << shift for byte, shift in zip(raw[6:10], (21, 14, 7, 0), strict=True))
    return size + _ID3V2_LENGTH * (2 if raw[5] & _ID3V2_HAS_FOOTER else 1)


def _id3v2_before(body: _Body, end: int) -> int:
    length = _id3v2_length(body.at(end - _ID3V2_LENGTH, _ID3V2_LENGTH), b"3DI")
    return length if body.at(end - length, 3) == b"ID3" else 0


def _id3v1_before(body: _Body, end: int) -> int:
    if body.at(end - _ID3V1_LENGTH, 3) != b"TAG":
        return 0
    extended = _ID3V1_LENGTH + _ID3V1_EXTENDED_LENGTH
    return extended if body.at(end - extended, 4) == b"TAG+" else _ID3V1_LENGTH


def _lyrics_before(body: _Body, end: int) -> int:
    signature = body.at(end - _LYRICS_END_LENGTH, _LYRICS_END_LENGTH)
    if signature not in _LYRICS_END:
        return 0
    if signature == b"LYRICSEND":
        first = max(body.start, end - _LARGEST_LYRICS_V1)
        offset = body.at(first, end - first).rfind(_LYRICS_BEGIN)
        return end - first - offset if offset >= 0 else 0
    tail = _LYRICS_SIZE_LENGTH + _LYRICS_END_LENGTH
    digits = body.at(end - tail, _LYRICS_SIZE_LENGTH)
    length = int(digits) + tail if digits.isdigit() else 0
    return length if body.at(end - length, len(_LYRICS_BEGIN)) == _LYRICS_BEGIN else 0


def _ape_before(body: _Body, end: int) -> int:
    raw = body.at(end - _APE.size, _APE.size)
    if len(raw) < _APE.size or raw[:8] != _APE_SIGNATURE:
        return 0
    _, _, size, count, flags, _ = _APE.unpack(raw)
    if size < _APE.size or flags & _APE_IS_HEADER:
        return 0
    if flags & _APE_HAS_HEADER:
        size += _APE.size
        return size if body.at(end - size, 8) == _APE_SIGNATURE else 0
    if size > _LARGEST_BARE_APE:
        return 0
    # No header marks where these begin, so the items must fill the block.
    return size if _holds_items(body.at(end - size, size - _APE.size), count) else 0


def _holds_items(raw: bytes, count: int) -> bool:
    at = 0
    while count > 0 and at + _APE_ITEM.size < len(raw):
        name_end = raw.find(b"\0", at + _APE_ITEM.size)
        if name_end < 0:
            return False
        at = name_end + 1 + _APE_ITEM.unpack_from(raw, at)[0]
        count -= 1
    return count == 0 and at == len(raw)


_TRAILING: tuple[Callable[[_Body, int], int], ...] = (
    # An APE tag of 131 bytes has the letters of ID3v1 where that would begin, so APE goes first.
    _ape_before,
    _id3v1_before,
    _lyrics_before,
    _id3v2_before,
)
