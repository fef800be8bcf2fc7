"""One ID3v2 tag, edited frame by frame: versions 2.2, 2.3 and 2.4.

Frames that are not ours are never decoded, so they cannot be lost, reordered or recoded; the tag
keeps its version, its flags and, as far as it suffices, its size.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.formats.id3_frames import decode_text_frame, encode_text_frame
from daemon.tagging.formats.splices import Memory, Patched, Splice, View, narrow
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.tagging.formats.keys import Changes, Items

HEADER_LENGTH = 10
NEW_TAG_PADDING = 256

_UNSYNCHRONISED, _EXTENDED, _FOOTER = 0x80, 0x40, 0x10
_V22_COMPRESSED = 0x40
_LARGEST = 1 << 28
_FRAME_ID = re.compile(rb"[A-Z0-9]{3,4}")
_MINOR = {2: "2.2", 3: "2.3", 4: "2.4"}


class Frame(NamedTuple):
    """Where a frame stands in the tag, and our key if it is one of ours."""

    offset: int
    length: int
    key: str | None
    values: list[str]


def syncsafe(value: int) -> bytes:
    """Return a number below 2**28 as four bytes of seven bits."""
    return bytes((value >> shift) & 0x7F for shift in (21, 14, 7, 0))


def from_syncsafe(raw: bytes) -> int:
    """Return the number in four bytes of seven bits."""
    value = 0
    for byte in raw:
        value = value << 7 | byte & 0x7F
    return value


def tag_length(view: View, offset: int) -> int:
    """Return the length in bytes of the ID3v2 tag at `offset`, or 0 if there is none."""
    head = view.read(offset, HEADER_LENGTH)
    if len(head) < HEADER_LENGTH or head[:3] != b"ID3" or max(head[6:10]) > 0x7F:  # noqa: PLR2004
        return 0
    footer = HEADER_LENGTH if head[3] == 4 and head[5] & _FOOTER else 0  # noqa: PLR2004
    return HEADER_LENGTH + from_syncsafe(head[6:10]) + footer


@dataclass(frozen=True)
class Id3Tag:
    """A parsed tag.

    Attributes:
        raw: the tag as it stands in the file, header and padding included.
        plain: the same with the unsynchronisation of the whole tag taken back.
        frames: in the order of the file.
        tail: offset in `plain` of what follows the last frame.
        padding: bytes of zeros from `tail`, -1 if something else than zeros stands there.
    """

    raw: bytes
    plain: bytes
    frames: tuple[Frame, ...]
    first: int
    tail: int
    padding: int

    @property
    def major(self) -> int:
        """2, 3 or 4."""
        return self.raw[3]

    @property
    def version(self) -> str:
        """`2.2`, `2.3` or `2.4`."""
        return _MINOR[self.major]

    def items(self, keys: Collection[str]) -> Items:
        """Return the values under the given keys."""
        found: Items = {}
        for frame in self.frames:
            if frame.key in keys and frame.key is not None:
                found.setdefault(frame.key, []).extend(frame.values)
        return found

    def bare(self, changes: Changes) -> bool:
        """Tell whether no frame would be left after the changes."""
        left = any(frame.key not in changes for frame in self.frames)
        return not left and not any(changes.values()) and self.padding >= 0

    def edit(self, changes: Changes) -> list[Splice]:
        """Return the splices, relative to the tag, that make the changes.

        Raises:
            Refused: the tag would become too large, or is stored in a way that cannot be repeated.
        """
        ours = [frame for frame in self.frames if frame.key in changes]
        new = b"".join(encode_text_frame(self.major, key, changes[key]) for key in sorted(changes))
        growth = len(new) - sum(frame.length for frame in ours)
        splices = [Splice(frame.offset, frame.length, b"") for frame in ours]
        end = self.tail + max(self.padding, 0)
        # What follows damaged frames is unknown, so ours go where every reader still looks.
        at = self.tail if self.padding >= 0 else self.first
        splices.append(Splice(at, 0, new))
        padding = self.padding
        if padding > 0 and growth <= padding:
            if growth > 0:
                splices.append(Splice(end - growth, growth, b""))
            else:
                splices.append(Splice(end, 0, bytes(-growth)))
            padding -= growth
            growth = 0
        return self._stored([*splices, *self._sizes(growth, padding)])

    def _sizes(self, growth: int, padding: int) -> list[Splice]:
        size = from_syncsafe(self.plain[6:10]) + growth
        if size >= _LARGEST:
            raise TagsRefused("the ID3 tag is already as large as the format allows")
        splices = [Splice(6, 4, syncsafe(size))]
        if self.major == 3 and self.plain[5] & _EXTENDED and padding >= 0:  # noqa: PLR2004
            splices.append(Splice(16, 4, struct.pack(">I", padding)))
        if self.major == 4 and self.plain[5] & _FOOTER:  # noqa: PLR2004
            splices.append(Splice(len(self.plain) - 4, 4, syncsafe(size)))
        return narrow(Memory(self.plain), splices)

    def _stored(self, splices: list[Splice]) -> list[Splice]:
        if self.raw is self.plain:
            return splices
        patched = Patched(Memory(self.plain), splices)
        body = _unsynchronised(patched.read(HEADER_LENGTH, patched.size))
        raw = self.raw[:6] + syncsafe(len(body)) + body
        return narrow(Memory(self.raw), [Splice(0, len(self.raw), raw)])


def new_tag(changes: Changes, *, frames: bytes = b"", padding: int = 0) -> bytes:
    """Return a fresh ID3v2.4 tag.

    Args:
        changes: what shall stand in it.
        frames: further v2.4 frames to put before ours.
        padding: bytes of zeros after them.
    """
    body = frames + b"".join(encode_text_frame(4, key, changes[key]) for key in sorted(changes))
    return b"ID3\x04\x00\x00" + syncsafe(len(body) + padding) + body + bytes(padding)


def parse(raw: bytes) -> Id3Tag:
    """Take a tag apart.

    Args:
        raw: exactly the bytes counted by `tag_length`.

    Raises:
        Refused: an unknown version, or a tag that cannot be edited without risk.
    """
    major, flags = raw[3], raw[5]
    if major not in _MINOR:
        raise TagsRefused(f"ID3 version 2.{major} is not known; the file is left alone")
    plain = raw
    if flags & _UNSYNCHRONISED and major != 4:  # noqa: PLR2004
        body = raw[HEADER_LENGTH:].replace(b"\xff\x00", b"\xff")
        if _unsynchronised(body) != raw[HEADER_LENGTH:]:
            raise TagsRefused("its ID3 tag is unsynchronised in an unusual way; rewrite it once")
        plain = raw[:6] + syncsafe(len(body)) + body
    if major == 2 and flags & _V22_COMPRESSED:  # noqa: PLR2004
        raise TagsRefused("its ID3v2.2 tag is compressed; convert the tag to v2.3 or v2.4")
    first = HEADER_LENGTH + _extended_length(plain)
    end = len(plain) - (HEADER_LENGTH if major == 4 and flags & _FOOTER else 0)  # noqa: PLR2004
    frames, tail = _frames(plain, first, end)
    rest = plain[tail:end]
    padding = len(rest) if not rest.strip(b"\0") else -1
    return Id3Tag(raw, plain, tuple(frames), first, tail, padding)


def _extended_length(plain: bytes) -> int:
    major, flags = plain[3], plain[5]
    if not flags & _EXTENDED or major == 2:  # noqa: PLR2004
        return 0
    if major == 3:  # noqa: PLR2004
        length = 4 + struct.unpack_from(">I", plain, 10)[0] if len(plain) >= 20 else 0  # noqa: PLR2004
        checked = length > 10  # noqa: PLR2004
    else:
        length = from_syncsafe(plain[10:14])
        checked = len(plain) > 15 and bool(plain[15] & 0x20)  # noqa: PLR2004
    if checked or not 6 <= length <= len(plain) - HEADER_LENGTH:  # noqa: PLR2004
        raise TagsRefused(
            "its ID3 tag has a checksum or a damaged extended header; rewrite it once"
        )
    return int(length)


def _frames(plain: bytes, first: int, end: int) -> tuple[list[Frame], int]:
    best = _walk(plain, first, end, plain_sizes=plain[3] != 4)  # noqa: PLR2004
    # Some programs wrote v2.4 with the size coding of v2.3; a chain that ends cleanly tells.
    if plain[3] == 4 and plain[best[1] : end].strip(b"\0"):  # noqa: PLR2004
        other = _walk(plain, first, end, plain_sizes=True)
        if not plain[other[1] : end].strip(b"\0"):
            return other
    return best


def _walk(plain: bytes, first: int, end: int, *, plain_sizes: bool) -> tuple[list[Frame], int]:
    major = plain[3]
    letters, header = (3, 6) if major == 2 else (4, 10)  # noqa: PLR2004
    frames = []
    at = first
    while at + header <= end:
        name = plain[at : at + letters]
        if not _FRAME_ID.fullmatch(name):
            break
        coded = plain[at + letters : at + 2 * letters]
        if not plain_sizes and max(coded) > 0x7F:  # noqa: PLR2004
            break
        size = int.from_bytes(coded, "big") if plain_sizes else from_syncsafe(coded)
        if at + header + size > end:
            break
        key, values = decode_text_frame(major, plain[at : at + header + size])
        frames.append(Frame(at, header + size, key, values))
        at += header + size
    return frames, at


def _unsynchronised(body: bytes) -> bytes:
    return re.sub(rb"\xff(?=[\x00\xe0-\xff])", b"\xff\x00", body)
