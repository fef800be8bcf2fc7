"""One ID3v2 tag, edited frame by frame: versions 2.2, 2.3 and 2.4.

Frames that are not ours are never decoded, so they cannot be lost, reordered or recoded; the tag
keeps its version, its flags and, as far as it suffices, its size. mutagen would not do: it saves
v2.2 as v2.3 or v2.4, which drops frames of private kinds, and merges TXXX frames that have the same
description.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.basics.byte_views import MOST_AT_ONCE
from daemon.tagging.basics.tag_errors import LARGE_TAGS, MANY_FRAMES, TagsRefused
from daemon.tagging.formats import id3_header
from daemon.tagging.formats.id3_frames import decode_text_frame, encode_text_frame, repeated_frames
from daemon.tagging.formats.id3_header import HEADER_LENGTH, V22, V24, TagHeader, syncsafe

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from daemon.tagging.basics.byte_views import View
    from daemon.tagging.basics.keys import Changes, Items
    from daemon.tagging.formats.id3_header import ExtendedHeader

NEW_TAG_PADDING = 256

MOST_FRAMES = 10_000

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
        raw: the tag as it is in the file, with header and padding.
        header: its version and flags.
        extended: its extended header.
        frames: in the order of the file.
        rest: what follows the last frame: padding, or bytes of unknown meaning.
    """

    raw: bytes
    header: TagHeader
    extended: ExtendedHeader
    frames: list[Frame]
    rest: bytes

    def items(self, keys: Collection[str]) -> Items:
        """Return the values under the given keys."""
        found: Items = {}
        for frame in self.frames:
            if frame.key in keys and frame.key is not None:
                found.setdefault(frame.key, []).extend(frame.values)
        return found

    def is_empty_after(self, changes: Changes) -> bool:
        """Tell whether nothing but padding would be left after the changes."""
        left = any(frame.key not in changes for frame in self.frames)
        return not (left or any(changes.values()) or self.rest.strip(b"\0"))

    def changed(self, changes: Changes) -> bytes:
        """Return the tag with the changes made.

        Raises:
            TagsRefused: the tag would become too large, or holds a checksum of unknown bytes.
        """
        others = b"".join(frame.raw for frame in self.frames if frame.key not in changes)
        new = _encoded(self.header.major, changes)
        if self.rest.strip(b"\0"):
            if self.extended.crc_at:
                raise TagsRefused("its ID3 tag is damaged; rewrite the tags once with a tagger")
            # What follows damaged frames is unknown, so ours go where every reader still looks.
            return self._stored(new + others + self.rest, b"")
        growth = len(others) + len(new) - sum(len(frame.raw) for frame in self.frames)
        padding = len(self.rest) - growth if 0 < len(self.rest) >= growth else len(self.rest)
        # ffmpeg loses its place in such a tag behind the first frame with bytes in between.
        is_first = self.header.is_unsynchronised and self.header.major != V24
        return self._stored(new + others if is_first else others + new, bytes(padding))

    def _stored(self, frames: bytes, padding: bytes) -> bytes:
        major, flags = self.header
        body = self.extended.updated(major, frames, padding) + frames + padding
        if self.header.is_unsynchronised and major != V24:
            body = id3_header.unsynchronised(body)
        if len(body) >= _LARGEST:
            raise TagsRefused("the ID3 tag is already as large as the format allows")
        numbers = bytes([major, self.raw[4], flags]) + syncsafe(len(body))
        return b"ID3" + numbers + body + (b"3DI" + numbers if self.header.footer_length else b"")


def new_tag(
    changes: Changes, *, repeated: Mapping[str, str] | None = None, padding: int = 0
) -> bytes:
    """Return a new ID3v2.4 tag with texts of older tags before ours and bytes of zeros behind."""
    body = repeated_frames(repeated or {}) + _encoded(V24, changes) + bytes(padding)
    return b"ID3\x04\x00\x00" + syncsafe(len(body)) + body


def tag_at(view: View, offset: int, length: int) -> Id3Tag:
    """Take apart the tag at an offset, whose length `tag_length` has told.

    Raises:
        TagsRefused: an unknown version, or a tag that cannot be edited without risk.
    """
    if length > MOST_AT_ONCE:
        raise TagsRefused(LARGE_TAGS)
    return parse(view.read(offset, length))


def parse(raw: bytes) -> Id3Tag:
    """Take apart a tag, given as exactly the bytes counted by `tag_length`.

    Raises:
        TagsRefused: an unknown version, or a tag that cannot be edited without risk.
    """
    header = id3_header.header_of(raw)
    body = stored = raw[HEADER_LENGTH : len(raw) - header.footer_length]
    if header.is_unsynchronised and header.major != V24:
        body = id3_header.synchronised(stored)
        if id3_header.unsynchronised(body) != stored:
            raise TagsRefused("its ID3 tag is unsynchronised in an unusual way; rewrite it once")
    extended = id3_header.extended_header(header, body)
    return Id3Tag(raw, header, extended, *_frames(header, body[len(extended.raw) :]))


def _encoded(major: int, changes: Changes) -> bytes:
    return b"".join(encode_text_frame(major, key, changes[key]) for key in sorted(changes))


def _frames(header: TagHeader, body: bytes) -> tuple[list[Frame], bytes]:
    best = _walk(header, body, syncsafe_sizes=header.major == V24)
    # Some programs wrote v2.4 with the size coding of v2.3; a chain that ends cleanly shows it.
    if header.major == V24 and best[1].strip(b"\0"):
        other = _walk(header, body, syncsafe_sizes=False)
        if not other[1].strip(b"\0"):
            return other
    return best


def _walk(header: TagHeader, body: bytes, *, syncsafe_sizes: bool) -> tuple[list[Frame], bytes]:
    letters, length = (3, 6) if header.major == V22 else (4, 10)
    frames: list[Frame] = []
    at = 0
    while at + length <= len(body) and id3_header.FRAME_ID.fullmatch(body[at : at + letters]):
        coded = body[at + letters : at + 2 * letters]
        if syncsafe_sizes and max(coded) > 0x7F:  # noqa: PLR2004
            break
        size = id3_header.from_syncsafe(coded) if syncsafe_sizes else int.from_bytes(coded)
        end = at + length + size
        if end > len(body):
            break
        if len(frames) == MOST_FRAMES:
            raise TagsRefused(MANY_FRAMES)
        raw = body[at:end]
        frames.append(Frame(raw, *decode_text_frame(header, raw)))
        at = end
    return frames, body[at:]
