"""ID3v2 in a chunk of WAV (RIFF) and AIFF (IFF) files; every other chunk stays as it is."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.formats.byte_views import Splice, View
from daemon.tagging.formats.id3_container import Id3Container
from daemon.tagging.formats.id3_header import tag_length
from daemon.tagging.formats.id3_tag import Id3Tag, new_tag, parse
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from daemon.tagging.formats.keys import Changes

_LARGEST = 0xFFFFFFFF
_FORM_HEADER, _CHUNK_HEADER = 12, 8


class Chunk(NamedTuple):
    """One chunk: its name, where its header stands, and the bytes it says it holds."""

    name: bytes
    offset: int
    size: int

    @property
    def body(self) -> int:
        """Offset of the first byte after the header."""
        return self.offset + _CHUNK_HEADER

    @property
    def end(self) -> int:
        """Offset after the chunk, the byte that makes it even included."""
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
        return _tag(view, self._tag_chunk(self._chunks(view)))

    def splices(self, view: View, changes: Changes, *, keep_block: bool) -> list[Splice]:
        """Return the splices that make the changes."""
        chunks = self._chunks(view)
        chunk = self._tag_chunk(chunks)
        tag = _tag(view, chunk)
        if chunk is None or tag is None:
            if not any(changes.values()):
                return []
            return self._sized(view, self._new_chunk(view, chunks[-1], chunk, changes))
        if tag.is_empty_after(changes) and not keep_block and len(tag.raw) == chunk.size:
            end = min(chunk.end, view.size)
            return self._sized(view, [Splice(chunk.offset, end - chunk.offset, b"")])
        new = tag.changed(changes)
        size = chunk.size + len(new) - len(tag.raw)
        edits = [
            Splice(chunk.offset + 4, 4, self._length.pack(size)),
            Splice(chunk.body, len(tag.raw), new),
        ]
        if size != chunk.size:
            edits.append(_evened(view, chunk, size))
        return self._sized(view, edits)

    def _new_chunk(
        self,
        view: View,
        last: Chunk,
        empty: Chunk | None,
        changes: Changes,
    ) -> list[Splice]:
        tag = new_tag(changes)
        # Padding inside the tag keeps tag and chunk the same, so that they can go together.
        tag = new_tag(changes, padding=len(tag) % 2)
        if empty is not None:
            raise TagsRefused("its tag chunk holds no ID3 tag; remove that chunk first")
        # Writers that forget the byte which evens the last chunk would misalign ours.
        gap = bytes(last.end - view.size)
        chunk = self._new_name + self._length.pack(len(tag)) + tag
        return [Splice(view.size, 0, gap + chunk)]

    def _sized(self, view: View, edits: list[Splice]) -> list[Splice]:
        growth = sum(edit.growth for edit in edits)
        if not growth:
            return edits
        size = view.size + growth - _CHUNK_HEADER
        if size > _LARGEST:
            raise TagsRefused(
                "the file is too large for a further chunk; kept in the catalogue only"
            )
        return [Splice(4, 4, self._length.pack(size)), *edits]

    def _chunks(self, view: View) -> list[Chunk]:
        stated = self._length.unpack(view.read(4, 4))[0] + _CHUNK_HEADER
        if abs(stated - view.size) > 1:
            raise TagsRefused(
                f"its header claims {stated} bytes, but the file has {view.size}; "
                "copy the sound into a new file to repair it",
            )
        chunks = []
        at = _FORM_HEADER
        while at < view.size:
            head = view.read(at, _CHUNK_HEADER)
            if len(head) < _CHUNK_HEADER or not all(0x20 <= byte < 0x7F for byte in head[:4]):  # noqa: PLR2004
                raise TagsRefused("its chunks do not follow one another; the file is left alone")
            chunk = Chunk(head[:4], at, self._length.unpack(head[4:])[0])
            # A file may end without the byte that evens its last chunk.
            if chunk.body + chunk.size > view.size:
                raise TagsRefused("its last chunk is cut off; the file is left alone")
            chunks.append(chunk)
            at = chunk.end
        if not chunks:
            raise TagsRefused("it holds no chunks; the file is left alone")
        return chunks

    @staticmethod
    def _tag_chunk(chunks: list[Chunk]) -> Chunk | None:
        return next((chunk for chunk in chunks if chunk.name.upper() == b"ID3 "), None)


def _evened(view: View, chunk: Chunk, size: int) -> Splice:
    at = chunk.body + chunk.size
    return Splice(at, min(chunk.end, view.size) - at, bytes(size % 2))


def _tag(view: View, chunk: Chunk | None) -> Id3Tag | None:
    if chunk is None:
        return None
    length = tag_length(view, chunk.body)
    if length > chunk.size:
        raise TagsRefused("its ID3 tag claims to be longer than its chunk; repair the file first")
    return parse(view.read(chunk.body, length)) if length else None
