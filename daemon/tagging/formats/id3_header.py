"""The header of an ID3v2 tag, its extended header and its unsynchronisation.

An extended header may hold a checksum of the frames, which libid3tag and so Audacity write. It is
calculated again when frames change. Restrictions on text and size of a tag, which our frames might
break, are lifted.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.basics.tag_errors import TagsRefused

if TYPE_CHECKING:
    from daemon.tagging.basics.byte_views import View

HEADER_LENGTH = 10
V22, V23, V24 = 2, 3, 4
FRAME_ID = re.compile(rb"[A-Z0-9]{3,4}")

_UNSYNCHRONISED, _EXTENDED, _FOOTER = 0x80, 0x40, 0x10
_V22_COMPRESSED = 0x40
_V23_PADDING_AT, _V23_CRC_AT = 6, 10
_V23_HAS_CRC = 0x80
# Flags of v2.4 in the order of their fields, with the length of each field.
_V24_CRC, _V24_RESTRICTIONS = 0x20, 0x10
_V24_FIELDS = {0x40: 0, _V24_CRC: 5, _V24_RESTRICTIONS: 1}
_PICTURE_RESTRICTIONS = 0x07


class TagHeader(NamedTuple):
    """Version (2, 3 or 4 for ID3v2.2 to v2.4) and flags of a tag."""

    major: int
    flags: int

    @property
    def is_unsynchronised(self) -> bool:
        """Whether the whole tag (v2.2, v2.3) or each of its frames (v2.4) is unsynchronised."""
        return bool(self.flags & _UNSYNCHRONISED)

    @property
    def footer_length(self) -> int:
        """Length of the footer in bytes."""
        return HEADER_LENGTH if self.major == V24 and self.flags & _FOOTER else 0


class ExtendedHeader(NamedTuple):
    """An extended header, which follows the tag's header.

    Attributes:
        raw: its bytes; none if there is no extended header.
        crc_at: offset in `raw` of the checksum; 0 if there is none.
        restrictions_at: offset in `raw` of the restrictions; 0 if there are none.
    """

    raw: bytes = b""
    crc_at: int = 0
    restrictions_at: int = 0

    def updated(self, major: int, frames: bytes, padding: bytes) -> bytes:
        """Return the extended header for other frames and padding."""
        raw = bytearray(self.raw)
        if raw and major == V23:
            struct.pack_into(">I", raw, _V23_PADDING_AT, len(padding))
            if self.crc_at:
                struct.pack_into(">I", raw, self.crc_at, zlib.crc32(frames))
        elif self.crc_at:
            raw[self.crc_at : self.crc_at + 5] = syncsafe(zlib.crc32(frames + padding), 5)
        if self.restrictions_at:
            raw[self.restrictions_at] &= _PICTURE_RESTRICTIONS
        return bytes(raw)


def syncsafe(value: int, count: int = 4) -> bytes:
    """Return a number below 2**(7 * count) as `count` bytes of seven bits."""
    return bytes((value >> 7 * place) & 0x7F for place in reversed(range(count)))


def from_syncsafe(raw: bytes) -> int:
    """Return the number in bytes of seven bits."""
    value = 0
    for byte in raw:
        value = value << 7 | byte & 0x7F
    return value


def tag_length(view: View, offset: int) -> int:
    """Return the length in bytes of the ID3v2 tag at `offset`, or 0 if there is none."""
    head = view.read(offset, HEADER_LENGTH)
    if len(head) < HEADER_LENGTH or head[:3] != b"ID3" or max(head[6:10]) > 0x7F:  # noqa: PLR2004
        return 0
    return HEADER_LENGTH + from_syncsafe(head[6:10]) + TagHeader(head[3], head[5]).footer_length


def header_of(raw: bytes) -> TagHeader:
    """Return version and flags of a tag.

    Raises:
        TagsRefused: tags of this version cannot be edited.
    """
    header = TagHeader(raw[3], raw[5])
    if not V22 <= header.major <= V24:
        raise TagsRefused(f"ID3 version 2.{header.major} is not known; the file is left alone")
    if header.major == V22 and header.flags & _V22_COMPRESSED:
        raise TagsRefused("its ID3v2.2 tag is compressed; convert the tag to v2.3 or v2.4")
    return header


def extended_header(header: TagHeader, body: bytes) -> ExtendedHeader:
    """Return the extended header at the start of a tag's body, which is not unsynchronised.

    Raises:
        TagsRefused: it does not follow the format.
    """
    # Some programs set the flag and begin with the first frame all the same.
    if header.major == V22 or not header.flags & _EXTENDED or FRAME_ID.fullmatch(body[:4]):
        return ExtendedHeader()
    found = _v23(body) if header.major == V23 else _v24(body)
    if found is None:
        raise TagsRefused("its ID3 extended header is damaged; rewrite the tags once with a tagger")
    return found


def _v23(body: bytes) -> ExtendedHeader | None:
    size, flags = struct.unpack_from(">IB", body)
    has_crc = bool(flags & _V23_HAS_CRC)
    if size != (10 if has_crc else 6) or len(body) < 4 + size:
        return None
    return ExtendedHeader(body[: 4 + size], _V23_CRC_AT if has_crc else 0)


def _v24(body: bytes) -> ExtendedHeader | None:
    size, flag_bytes, flags = from_syncsafe(body[:4]), body[4], body[5]
    at = 6
    places = {}
    for flag, length in _V24_FIELDS.items():
        if flags & flag:
            if body[at] != length:
                return None
            places[flag] = at + 1
            at += 1 + length
    if flag_bytes != 1 or size != at or len(body) < at or max(body[:4]) > 0x7F:  # noqa: PLR2004
        return None
    return ExtendedHeader(body[:at], places.get(_V24_CRC, 0), places.get(_V24_RESTRICTIONS, 0))


def unsynchronised(body: bytes) -> bytes:
    """Return the body of a tag such that no decoder takes it for the start of sound."""
    return re.sub(rb"\xff(?=[\x00\xe0-\xff]|\Z)", b"\xff\x00", body)


def synchronised(body: bytes) -> bytes:
    """Return what was unsynchronised."""
    return body.replace(b"\xff\x00", b"\xff")
