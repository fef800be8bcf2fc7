"""APEv2 tags at the end of any file, used like the file classes of mutagen."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mutagen.apev2 import APENoHeaderError, APEv2, _APEv2Data

from daemon.tagging.basics.tag_errors import TagsRefused
from daemon.tagging.formats.older_tags import id3v1_block

if TYPE_CHECKING:
    from collections.abc import Iterator

# mutagen's constructors carry no types.
_APEv2: Any = APEv2
_ApeTag: Any = _APEv2Data

_LYRICS_END = b"LYRICS200"


class ApeFile:
    """The APEv2 tag at the end of any file, used like the file classes of mutagen."""

    tags: Any = None

    def __init__(self, file: Any) -> None:
        with suppress(APENoHeaderError):
            self.tags = _APEv2(file)

    def add_tags(self) -> None:
        """Begin a tag."""
        self.tags = _APEv2()

    def drop(self) -> None:
        """Forget the tag, so that `save` removes it."""
        self.tags = None

    def save(self, file: Any, padding: Any) -> None:  # noqa: ARG002 - APEv2 has no padding
        """Write or remove the tag; an ID3v1 block and read-only marks, lost by mutagen, stay."""
        block = id3v1_block(file.view)
        locked = {key for key, _, flags in _ape_items(file) if flags & 1}
        file.truncate(file.view.size - len(block))
        if self.tags is None:
            _APEv2().delete(file)
        else:
            self.tags.save(file)
            for key, at, flags in [*_ape_items(file)] if locked else ():
                file.seek(at)
                file.write(struct.pack("<I", flags | (key in locked)))
        file.seek(0, os.SEEK_END)
        file.write(block)


def _ape_items(file: Any) -> Iterator[tuple[bytes, int, int]]:
    """Yield the key of each item, the offset of its flags in the file, and its flags."""
    found, at = _ApeTag(file), 0
    while found.tag is not None and at + 8 < len(found.tag):
        size, flags = struct.unpack_from("<2I", found.tag, at)
        end = found.tag.index(b"\0", at + 8)
        yield found.tag[at + 8 : end], found.data + at + 4, flags
        at = end + 1 + size


def demand_no_lyrics(file: Any) -> None:
    """Refuse a file whose last tags are of a kind that mutagen does not skip."""
    end = file.view.size - len(id3v1_block(file.view))
    if file.view.read(end - len(_LYRICS_END), len(_LYRICS_END)) == _LYRICS_END:
        raise TagsRefused("it ends with a Lyrics3 block; kept in the catalogue only")
