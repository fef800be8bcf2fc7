"""The comment block of native FLAC; pictures, cue sheet, seek table and the rest stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.formats import id3_tag, vorbis
from daemon.tagging.formats.format import Layout
from daemon.tagging.formats.splices import Splice, View, narrow
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.tagging.formats.keys import Changes, Items

MARKER = b"fLaC"
_STREAM, _PADDING, _COMMENTS = 0, 1, 4
_LAST = 0x80
_HEADER = 4
_LARGEST = (1 << 24) - 1


class _Block(NamedTuple):
    kind: int
    offset: int
    length: int

    @property
    def body(self) -> int:
        return self.offset + _HEADER

    @property
    def end(self) -> int:
        return self.body + self.length


class Flac:
    """Native FLAC, also behind an ID3v2 tag that somebody put in front."""

    kind = "flac"

    def layout(self, view: View) -> Layout:
        """Return whether there is a comment block, and the bytes in padding blocks."""
        blocks = _blocks(view)
        padding = sum(block.length for block in blocks if block.kind == _PADDING)
        return Layout(block=_comments_of(blocks) is not None, padding=padding)

    def items(self, view: View, keys: Collection[str]) -> Items:
        """Return every value under the given keys."""
        block = _comments_of(_blocks(view))
        return _comments(view, block).items(keys) if block else {}

    def plan(self, view: View, changes: Changes, *, keep_block: bool) -> list[Splice]:
        """Return the splices that make the changes."""
        blocks = _blocks(view)
        block = _comments_of(blocks)
        if block is None:
            return _new_block(blocks, changes) if any(changes.values()) else []
        before = _comments(view, block)
        after = before.changed(changes)
        if not keep_block and not after.entries and after.vendor == vorbis.Comments().vendor:
            return _without(view, blocks, block)
        new = after.render()
        if len(new) > _LARGEST:
            raise TagsRefused("its comment block is as large as FLAC allows; shorten other tags")
        edits = _padded(blocks, len(new) - block.length)
        edits.append(Splice(block.offset + 1, 3, len(new).to_bytes(3, "big")))
        return [*edits, *narrow(view, [Splice(block.body, block.length, new)])]


def _padded(blocks: list[_Block], growth: int) -> list[Splice]:
    """Take growth out of a padding block, or give shrinkage to it, so that no audio moves."""
    for block in blocks:
        if block.kind == _PADDING and 0 <= block.length - growth <= _LARGEST:
            size = Splice(block.offset + 1, 3, (block.length - growth).to_bytes(3, "big"))
            if growth >= 0:
                return [size, Splice(block.end - growth, growth, b"")]
            return [size, Splice(block.end, 0, bytes(-growth))]
    return []


def _new_block(blocks: list[_Block], changes: Changes) -> list[Splice]:
    first = blocks[0]
    new = vorbis.Comments().changed(changes).render()
    last = len(blocks) == 1
    header = bytes([_COMMENTS | (_LAST if last else 0)]) + len(new).to_bytes(3, "big")
    edits = [Splice(first.end, 0, header + new)]
    if last:
        return [Splice(first.offset, 1, bytes([first.kind])), *edits]
    return [*edits, *_padded(blocks, len(header) + len(new))]


def _without(view: View, blocks: list[_Block], block: _Block) -> list[Splice]:
    edits = [Splice(block.offset, block.end - block.offset, b"")]
    if block is blocks[-1]:
        before = blocks[blocks.index(block) - 1]
        flag = view.read(before.offset, 1)[0] | _LAST
        return [Splice(before.offset, 1, bytes([flag])), *edits]
    return [*edits, *_padded(blocks, block.offset - block.end)]


def _comments_of(blocks: list[_Block]) -> _Block | None:
    return next((block for block in blocks if block.kind == _COMMENTS), None)


def _comments(view: View, block: _Block) -> vorbis.Comments:
    return vorbis.parse(view.read(block.body, block.length))


def _blocks(view: View) -> list[_Block]:
    at = id3_tag.tag_length(view, 0)
    if view.read(at, 4) != MARKER:
        raise TagsRefused("its FLAC marker is not where it belongs; the file is left alone")
    at += len(MARKER)
    blocks = []
    last = False
    while not last:
        header = view.read(at, _HEADER)
        if len(header) < _HEADER:
            raise TagsRefused("its FLAC metadata is cut off; the file is left alone")
        block = _Block(header[0] & 0x7F, at, int.from_bytes(header[1:], "big"))
        blocks.append(block)
        last = bool(header[0] & _LAST)
        at = block.end
    # A picture too large for its length field makes the chain end in the middle of it.
    sync = view.read(at, 2)
    if blocks[0].kind != _STREAM or len(sync) < 2 or sync[0] != 0xFF or sync[1] & 0xFC != 0xF8:  # noqa: PLR2004
        raise TagsRefused("its FLAC metadata does not lead to sound; the file is left alone")
    return blocks
