"""ID3v2 at the end of DSF files, found by a pointer in the header."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from daemon.tagging.basics.byte_views import Splice, View
from daemon.tagging.basics.tag_errors import TagsRefused
from daemon.tagging.formats.format import Id3Container
from daemon.tagging.formats.id3_header import tag_length
from daemon.tagging.formats.id3_tag import Id3Tag, new_tag, tag_at
from daemon.tagging.formats.older_tags import is_outer

if TYPE_CHECKING:
    from daemon.tagging.basics.keys import Changes

_SIZES = struct.Struct("<QQ")
_SIZES_AT = 12


class Dsf(Id3Container):
    """DSD Stream File."""

    kind = "dsf"

    def tag(self, view: View) -> Id3Tag | None:
        """Return the tag at the end."""
        end, at = self._end(view)
        if at == 0:
            return None
        length = tag_length(view, at)
        if not length or at + length != end:
            raise TagsRefused(
                "its header does not point to an ID3 tag at the end; repair the file first"
            )
        return tag_at(view, at, length)

    def splices(self, view: View, changes: Changes, *, keep_block: bool) -> list[Splice]:
        """Return the splices that make the changes."""
        tag = self.tag(view)
        if tag is None and not any(changes.values()):
            return []
        old = len(tag.raw) if tag else 0
        if tag and tag.is_empty_after(changes) and not keep_block:
            new = b""
        else:
            new = tag.changed(changes) if tag else new_tag(changes)
        at = self._end(view)[0] - old
        sizes = _SIZES.pack(at + len(new), at if new else 0)
        return [Splice(_SIZES_AT, _SIZES.size, sizes), Splice(at, old, new)]

    @staticmethod
    def _end(view: View) -> tuple[int, int]:
        """Return where the file ends, without what others put behind it, and where its tag is."""
        size, at = _SIZES.unpack(view.read(_SIZES_AT, _SIZES.size))
        if size > view.size or (size < view.size and not is_outer(view, size)):
            raise TagsRefused(
                f"its header claims {size} bytes, but the file has {view.size}; repair it first"
            )
        return size, at
