"""ID3v2 in a chunk of WAV (RIFF) and AIFF (IFF) files; every other chunk stays as it is."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.basics.byte_views import Splice
from daemon.tagging.basics.tag_errors import TagsRefused
from daemon.tagging.formats.format import Id3Container
from daemon.tagging.formats.id3_header import tag_length
from daemon.tagging.formats.id3_tag import Id3Tag, new_tag, tag_at

if TYPE_CHECKING:
    from daemon.tagging.basics.byte_views import View
    from daemon.tagging.basics.keys import Changes

_LARGEST = 0xFFFFFFFF
_FORM_HEADER, _CHUNK_HEADER = 12, 8


class _Chunk(NamedTuple):
    name: bytes
    offset: int
    size: int

    @property
    def body(self) -> int:
        return self.offset + _CHUNK_HEADER

    @property
    def end(self) -> int:
        # The byte that makes the chunk even is included.
        return self.body + self.size + self.size % 2


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
        return _tag(view, _tag_chunk(self._chunks(view)))

    def splices(self, view: View, changes: Changes, *, keep_block: bool) -> list[Splice]:
        """Return the splices that make the changes."""
        chunks = self._chunks(view)
        chunk = _tag_chunk(chunks)
        tag = _tag(view, chunk)
        if chunk is None or tag is None:
            if not any(changes.values()):
                return []
            if chunk is not None:
                raise TagsRefused("its tag chunk holds no ID3 tag; remove that chunk first")
            # Padding inside the tag makes the chunk even, so that both can be removed together.
            body = new_tag(changes, padding=len(new_tag(changes)) % 2)
            # Some programs leave out the byte that makes the last chunk even.
            new = bytes(chunks[-1].end - view.size) + self._chunk(self._new_name, body)
            return self._resized(view, Splice(view.size, 0, new))
        length = min(chunk.end, view.size) - chunk.offset
        if tag.is_empty_after(changes) and not keep_block and len(tag.raw) == chunk.size:
            return self._resized(view, Splice(chunk.offset, length, b""))
        behind = view.read(chunk.body + len(tag.raw), chunk.size - len(tag.raw))
        new = self._chunk(chunk.name, tag.changed(changes) + behind)
        return self._resized(view, Splice(chunk.offset, length, new))

    def _chunk(self, name: bytes, body: bytes) -> bytes:
        return name + self._length.pack(len(body)) + body + bytes(len(body) % 2)

    def _resized(self, view: View, edit: Splice) -> list[Splice]:
        size = view.size + len(edit.new) - edit.length - _CHUNK_HEADER
        if size > _LARGEST:
            raise TagsRefused("it is too large for a further chunk; kept in the catalogue only")
        return [Splice(4, 4, self._length.pack(size)), edit]

    def _chunks(self, view: View) -> list[_Chunk]:
        stated = self._length.unpack(view.read(4, 4))[0] + _CHUNK_HEADER
        if abs(stated - view.size) > 1:
            raise TagsRefused(
                f"its header claims {stated} bytes, but the file has {view.size}; "
                "copy the sound into a new file to repair it"
            )
        chunks = []
        at = _FORM_HEADER
        while at < view.size:
            head = view.read(at, _CHUNK_HEADER)
            if len(head) < _CHUNK_HEADER or not all(0x20 <= byte < 0x7F for byte in head[:4]):  # noqa: PLR2004
                raise TagsRefused("its chunks do not follow one another; the file is left alone")
            chunk = _Chunk(head[:4], at, self._length.unpack(head[4:])[0])
            # A file may end without the byte that makes its last chunk even.
            if chunk.body + chunk.size > view.size:
                raise TagsRefused("its last chunk is cut off; the file is left alone")
            chunks.append(chunk)
            at = chunk.end
        if not chunks:
            raise TagsRefused("it holds no chunks; the file is left alone")
        return chunks


def _tag_chunk(chunks: list[_Chunk]) -> _Chunk | None:
    return next((chunk for chunk in chunks if chunk.name.upper() == b"ID3 "), None)


def _tag(view: View, chunk: _Chunk | None) -> Id3Tag | None:
    if chunk is None:
        return None
    length = tag_length(view, chunk.body)
    if length > chunk.size:
        raise TagsRefused("its ID3 tag claims to be longer than its chunk; repair the file first")
    return tag_at(view, chunk.body, length) if length else None
