"""One ID3v2 tag, edited frame by frame: versions 2.2, 2.3 and 2.4.

Frames that are not ours are never decoded, so they cannot be lost, reordered or recoded; the tag
keeps its version, its flags and, as far as it suffices, its size. mutagen would not do: it saves
v2.2 as v2.3 or v2.4, which drops frames of private kinds, and merges TXXX frames that have the same
description.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.formats.id3_frames import decode_text_frame, encode_text_frame
from daemon.tagging.formats.id3_header import (
    FOOTER,
    FRAME_ID,
    HEADER_LENGTH,
    UNSYNCHRONISED,
    V22,
    V24,
    ExtendedHeader,
    extended_header,
    from_syncsafe,
    synchronised,
    syncsafe,
    unsynchronised,
)
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.tagging.formats.keys import Changes, Items

NEW_TAG_PADDING = 256

_V22_COMPRESSED = 0x40
_LARGEST = 1 << 28


class Frame(NamedTuple):
    """One frame with its header, and our key and values if it is one of ours."""

    raw: bytes
    key: str | None
    values: list[str]


@dataclass(frozen=True)
class Id3Tag:
    """A parsed tag.

    Attributes:
        raw: the tag as it stands in the file, header and padding included.
        extended: its extended header.
        frames: in the order of the file.
        rest: what follows the last frame: padding, or bytes of unknown meaning.
    """

    raw: bytes
    extended: ExtendedHeader
    frames: tuple[Frame, ...]
    rest: bytes

    @property
    def is_clean(self) -> bool:
        """Whether nothing but padding follows the last frame."""
        return not self.rest.strip(b"\0")

    def items(self, keys: Collection[str]) -> Items:
        """Return the values under the given keys."""
        found: Items = {}
        for frame in self.frames:
            if frame.key in keys and frame.key is not None:
                found.setdefault(frame.key, []).extend(frame.values)
        return found

    def is_empty_after(self, changes: Changes) -> bool:
        """Tell whether no frame would be left after the changes."""
        left = any(frame.key not in changes for frame in self.frames)
        return not left and not any(changes.values()) and self.is_clean

    def changed(self, changes: Changes) -> bytes:
        """Return the tag with the changes made.

        Raises:
            TagsRefused: the tag would become too large, or holds a checksum of unknown bytes.
        """
        major = self.raw[3]
        others = b"".join(frame.raw for frame in self.frames if frame.key not in changes)
        new = _encoded(major, changes)
        growth = len(others) + len(new) - sum(len(frame.raw) for frame in self.frames)
        if not self.is_clean:
            if self.extended.crc_at:
                raise TagsRefused("its ID3 tag is damaged; rewrite the tags once with a tagger")
            # What follows damaged frames is unknown, so ours go where every reader still looks.
            return self._stored(new + others + self.rest, b"")
        padding = len(self.rest) - growth if 0 < len(self.rest) >= growth else len(self.rest)
        return self._stored(others + new, bytes(padding))

    def _stored(self, frames: bytes, padding: bytes) -> bytes:
        major, flags = self.raw[3], self.raw[5]
        body = self.extended.updated(major, frames, padding) + frames + padding
        if flags & UNSYNCHRONISED and major != V24:
            body = unsynchronised(body)
        if len(body) >= _LARGEST:
            raise TagsRefused("the ID3 tag is already as large as the format allows")
        numbers = self.raw[3:6] + syncsafe(len(body))
        footer = b"3DI" + numbers if major == V24 and flags & FOOTER else b""
        return b"ID3" + numbers + body + footer


def new_tag(changes: Changes, *, frames: bytes = b"", padding: int = 0) -> bytes:
    """Return a fresh ID3v2.4 tag.

    Args:
        changes: the values to hold.
        frames: further v2.4 frames to put before ours.
        padding: bytes of zeros after them.
    """
    body = frames + _encoded(V24, changes) + bytes(padding)
    return b"ID3\x04\x00\x00" + syncsafe(len(body)) + body


def parse(raw: bytes) -> Id3Tag:
    """Take a tag apart.

    Args:
        raw: exactly the bytes counted by `tag_length`.

    Raises:
        TagsRefused: an unknown version, or a tag that cannot be edited without risk.
    """
    major, flags = raw[3], raw[5]
    if not V22 <= major <= V24:
        raise TagsRefused(f"ID3 version 2.{major} is not known; the file is left alone")
    if major == V22 and flags & _V22_COMPRESSED:
        raise TagsRefused("its ID3v2.2 tag is compressed; convert the tag to v2.3 or v2.4")
    end = len(raw) - (HEADER_LENGTH if major == V24 and flags & FOOTER else 0)
    body = stored = raw[HEADER_LENGTH:end]
    if flags & UNSYNCHRONISED and major != V24:
        body = synchronised(stored)
        if unsynchronised(body) != stored:
            raise TagsRefused("its ID3 tag is unsynchronised in an unusual way; rewrite it once")
    extended = extended_header(raw[:HEADER_LENGTH], body)
    frames, rest = _frames(raw[:HEADER_LENGTH], body[len(extended.raw) :])
    return Id3Tag(raw, extended, tuple(frames), rest)


def _encoded(major: int, changes: Changes) -> bytes:
    return b"".join(encode_text_frame(major, key, changes[key]) for key in sorted(changes))


def _frames(header: bytes, body: bytes) -> tuple[list[Frame], bytes]:
    best = _walk(header, body, syncsafe_sizes=header[3] == V24)
    # Some programs wrote v2.4 with the size coding of v2.3; a chain that ends cleanly tells.
    if header[3] == V24 and best[1].strip(b"\0"):
        other = _walk(header, body, syncsafe_sizes=False)
        if not other[1].strip(b"\0"):
            return other
    return best


def _walk(header: bytes, body: bytes, *, syncsafe_sizes: bool) -> tuple[list[Frame], bytes]:
    major, flags = header[3], header[5]
    letters, length = (3, 6) if major == V22 else (4, 10)
    frames = []
    at = 0
    while at + length <= len(body) and FRAME_ID.fullmatch(body[at : at + letters]):
        coded = body[at + letters : at + 2 * letters]
        if syncsafe_sizes and max(coded) > 0x7F:  # noqa: PLR2004
            break
        end = at + length + (from_syncsafe(coded) if syncsafe_sizes else int.from_bytes(coded))
        if end > len(body):
            break
        raw = body[at:end]
        is_unsynchronised = major == V24 and bool(flags & UNSYNCHRONISED)
        key_and_values = decode_text_frame(major, raw, is_unsynchronised=is_unsynchronised)
        frames.append(Frame(raw, *key_and_values))
        at = end
    return frames, body[at:]
