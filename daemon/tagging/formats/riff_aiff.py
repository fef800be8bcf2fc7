"""ID3v2 in a chunk of WAV (RIFF) and AIFF (IFF) files; every other chunk stays as it is.

The length in the header is corrected, as no player relies on it: recorders and converters leave it
at zero, at its largest, or without the chunks that they append. Chunks are found as TagLib and
ffmpeg find them, one behind the other, and what lies behind the last one stays there.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.basics.byte_views import Splice
from daemon.tagging.basics.tag_errors import MANY_CHUNKS, TagsRefused
from daemon.tagging.formats.format import Id3Container
from daemon.tagging.formats.id3_header import tag_length
from daemon.tagging.formats.id3_tag import Id3Tag, new_tag, tag_at
from daemon.tagging.formats.older_tags import MOST_INFO_BYTES, info_texts, is_outer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.tagging.basics.byte_views import View
    from daemon.tagging.basics.keys import Changes

MOST_CHUNKS = 10_000

_LARGEST = 0xFFFFFFFF
# A program that writes into a pipe knows no length; it states none, or one near these.
_ENDLESS = 0x7FFF0000
_FORM_HEADER, _CHUNK_HEADER = 12, 8
_SOUND = (b"data", b"SSND")
# Of more than 4 GiB; a chunk behind the header holds the lengths of the file and the sound.
_LONG_FORMS, _LONG_LENGTH = (b"RF64", b"BW64"), struct.Struct("<Q")


class _Chunk(NamedTuple):
    """A chunk.

    Attributes:
        name: four letters.
        offset: of its header in the file.
        size: of what follows the header.
        pad: length of the byte that makes it even; 0 if that is forgotten.
        is_endless: its header does not state the length, so that not every reader finds what
            follows.
    """

    name: bytes
    offset: int
    size: int
    pad: int
    is_endless: bool

    @property
    def body(self) -> int:
        return self.offset + _CHUNK_HEADER

    @property
    def end(self) -> int:
        return self.body + self.size + self.pad

    @property
    def is_short(self) -> bool:
        return self.pad < self.size % 2


class _Chunks(NamedTuple):
    """The chunks of a file, and where a further one has its place."""

    all: list[_Chunk]
    new_at: int

    def first(self, *names: bytes) -> _Chunk | None:
        return next((chunk for chunk in self.all if chunk.name.upper() in names), None)


class Chunked(Id3Container):
    """WAV or AIFF.

    Args:
        kind: `wav` or `aiff`.
        order: byte order of lengths, `<` or `>`.
        new_name: name of a tag chunk where there is none yet.
    """

    def __init__(self, kind: str, order: str, new_name: bytes) -> None:
        self.kind = kind
        self._length = struct.Struct(order + "I")
        self._new_name = new_name

    def tag(self, view: View) -> Id3Tag | None:
        """Return the tag in the tag chunk."""
        chunks = self._chunks(view)
        chunk = chunks.first(b"ID3 ")
        if chunk and any(other.is_short for other in chunks.all if other.end <= chunk.offset):
            raise TagsRefused(
                "a chunk before its tags lacks its last byte, so that players find no tags; copy "
                "the sound into a new file"
            )
        return _tag(view, chunk)

    def older(self, view: View) -> Mapping[str, str]:
        """Return what INFO lists say; of several, TagLib shows the first, and ffmpeg the last."""
        chunks = self._chunks(view)
        lists = [
            info_texts(view.read(chunk.body, chunk.size))
            for chunk in (chunks.all if self.kind == "wav" else ())
            if chunk.name == b"LIST" and chunk.size <= MOST_INFO_BYTES
            if chunk.offset < chunks.new_at
        ]
        filled = [texts for texts in lists if texts]
        if not filled:
            return {}
        # Which program wrote the file is not worth a refusal.
        disagree = any(texts.get("TSSE") != filled[-1].get("TSSE") for texts in filled)
        return {name: text for name, text in filled[0].items() if name != "TSSE" or not disagree}

    def splices(self, view: View, changes: Changes, *, keep_block: bool) -> list[Splice]:
        """Return the splices that make the changes."""
        chunks = self._chunks(view)
        chunk = chunks.first(b"ID3 ")
        tag = self.tag(view)
        repeated = self.repeated(view)
        if chunk is None or tag is None:
            if not any(changes.values()):
                return []
            if chunk is not None:
                raise TagsRefused("its tag chunk holds no ID3 tag; remove that chunk first")
            # Padding inside the tag makes the chunk even, so that both can be removed together.
            odd = len(new_tag(changes, repeated=repeated)) % 2
            body = new_tag(changes, repeated=repeated, padding=odd)
            # Some programs leave out the byte that makes the last chunk even.
            new = bytes(chunks.new_at % 2) + self._chunk(self._new_name, body)
            return self._resized(view, chunks, Splice(chunks.new_at, 0, new))
        length = min(chunk.end, view.size) - chunk.offset
        if tag.is_empty_after(changes) and not keep_block and len(tag.raw) == chunk.size:
            return self._resized(view, chunks, Splice(chunk.offset, length, b""))
        behind = view.read(chunk.body + len(tag.raw), chunk.size - len(tag.raw))
        changed = new_tag(changes, repeated=repeated) if repeated else tag.changed(changes)
        new = self._chunk(chunk.name, changed + behind)
        return self._resized(view, chunks, Splice(chunk.offset, length, new))

    def _chunk(self, name: bytes, body: bytes) -> bytes:
        return name + self._length.pack(len(body)) + body + bytes(len(body) % 2)

    def _resized(self, view: View, chunks: _Chunks, edit: Splice) -> list[Splice]:
        """Return the edit and the length that the header must state after it."""
        stated = self._stated(view)
        if (long := chunks.first(b"DS64")) and view.read(0, 4) in _LONG_FORMS:
            (size,) = _LONG_LENGTH.unpack(view.read(long.body, _LONG_LENGTH.size))
            size = max(0, size + len(edit.new) - edit.length)
            return [Splice(long.body, _LONG_LENGTH.size, _LONG_LENGTH.pack(size)), edit]
        end = min(chunks.all[-1].end, view.size)
        if stated >= _ENDLESS and stated > view.size:
            return [edit]
        end = stated if end < stated <= view.size else end
        size = end + len(edit.new) - edit.length - _CHUNK_HEADER
        if size > _LARGEST:
            raise TagsRefused("it is too large for a further chunk; kept in the catalogue only")
        return [Splice(4, 4, self._length.pack(size)), edit]

    def _stated(self, view: View) -> int:
        """Return where the file ends according to its header."""
        return int(self._length.unpack(view.read(4, 4))[0]) + _CHUNK_HEADER

    def _chunks(self, view: View) -> _Chunks:
        chunks: list[_Chunk] = []
        at = _FORM_HEADER
        while name := _name_at(view, at):
            if len(chunks) == MOST_CHUNKS:
                raise TagsRefused(MANY_CHUNKS)
            chunk = self._chunk_at(view, at, name, chunks)
            if chunk.body + chunk.size > view.size:
                if not chunks or self._stated(view) > view.size + 1:
                    raise TagsRefused("its last chunk is cut off; the file is left alone")
                break
            chunks.append(chunk)
            at = chunk.end
        if not any(chunk.name in _SOUND for chunk in chunks):
            raise TagsRefused("it holds no sound where its chunks say; the file is left alone")
        hiding = [
            chunk.offset
            for chunk in chunks
            if chunk.is_endless or (chunk.is_short and chunk is not chunks[-1])
        ]
        return _Chunks(chunks, min([*hiding, chunks[-1].end, view.size]))

    def _chunk_at(self, view: View, at: int, name: bytes, before: list[_Chunk]) -> _Chunk:
        (size,) = self._length.unpack(view.read(at + 4, 4))
        body, is_endless = at + _CHUNK_HEADER, False
        if name in _SOUND and size == _LARGEST and before and before[0].name == b"ds64":
            (size,) = _LONG_LENGTH.unpack(view.read(before[0].body + 8, _LONG_LENGTH.size))
            is_endless = True
        if name in _SOUND and (size == 0 or body + size > view.size):
            if 0 < size < _ENDLESS:
                raise TagsRefused("its sound is cut off, as in an unfinished copy; left alone")
            odd = (view.size - body) % 2
            return _Chunk(name, at, view.size - body, odd, is_endless=True)
        pad = _pad(view, body + size, self._length) if size % 2 else 0
        return _Chunk(name, at, size, pad, is_endless)


def _name_at(view: View, at: int) -> bytes:
    """Return the name of a chunk; no bytes if none begins there."""
    head = view.read(at, _CHUNK_HEADER)
    is_name = len(head) == _CHUNK_HEADER and all(0x20 <= byte < 0x7F for byte in head[:4])  # noqa: PLR2004
    return head[:4] if is_name else b""


def _pad(view: View, at: int, length: struct.Struct) -> int:
    """Return the length of the byte that makes a chunk even, which some programs forget."""
    if view.read(at, 1) in (b"", b"\0"):
        return 1
    is_chunk = _name_at(view, at) and at + length.unpack(view.read(at + 4, 4))[0] < view.size
    return 0 if is_chunk or is_outer(view, at) or not _name_at(view, at + 1) else 1


def _tag(view: View, chunk: _Chunk | None) -> Id3Tag | None:
    if chunk is None:
        return None
    length = tag_length(view, chunk.body)
    if length > chunk.size:
        raise TagsRefused("its ID3 tag claims to be longer than its chunk; repair the file first")
    return tag_at(view, chunk.body, length) if length else None
