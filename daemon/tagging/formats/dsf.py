"""ID3v2 at the end of DSF files, found by a pointer in the header."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from daemon.tagging.formats import id3_tag
from daemon.tagging.formats.format import Layout
from daemon.tagging.formats.splices import Splice, View
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.tagging.formats.keys import Changes, Items

_SIZES = struct.Struct("<QQ")
_SIZES_AT = 12


class Dsf:
    """DSD Stream File."""

    kind = "dsf"

    def layout(self, view: View) -> Layout:
        """Return how the tag stands in the file."""
        tag = _tag(view)[1]
        if tag is None:
            return Layout(block=False)
        return Layout(block=True, version=tag.version, padding=tag.padding)

    def items(self, view: View, keys: Collection[str]) -> Items:
        """Return every value under the given keys."""
        tag = _tag(view)[1]
        return tag.items(keys) if tag else {}

    def plan(self, view: View, changes: Changes, *, keep_block: bool) -> list[Splice]:
        """Return the splices that make the changes."""
        at, tag = _tag(view)
        if tag is None:
            if not any(changes.values()):
                return []
            new = id3_tag.new_tag(changes)
            header = _SIZES.pack(view.size + len(new), view.size)
            return [Splice(_SIZES_AT, _SIZES.size, header), Splice(view.size, 0, new)]
        if tag.bare(changes) and not keep_block:
            return [
                Splice(_SIZES_AT, _SIZES.size, _SIZES.pack(at, 0)),
                Splice(at, len(tag.raw), b""),
            ]
        edits = [Splice(at + offset, length, new) for offset, length, new in tag.edit(changes)]
        size = view.size + sum(edit.growth for edit in edits)
        return [Splice(_SIZES_AT, _SIZES.size, _SIZES.pack(size, at)), *edits]


def _tag(view: View) -> tuple[int, id3_tag.Id3Tag | None]:
    size, at = _SIZES.unpack(view.read(_SIZES_AT, _SIZES.size))
    if size != view.size:
        raise TagsRefused(f"its header claims {size} bytes, but the file has {view.size}")
    if at == 0:
        return 0, None
    length = id3_tag.tag_length(view, at)
    if not length or at + length != view.size:
        raise TagsRefused(
            "its header does not point to an ID3 tag at the end; repair the file first"
        )
    return at, id3_tag.parse(view.read(at, length))
