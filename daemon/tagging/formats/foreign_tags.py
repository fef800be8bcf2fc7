"""Every tag of a file besides ours, as mutagen reads it; to compare a copy with its original."""

from __future__ import annotations

import zlib
from contextlib import suppress
from hashlib import blake2b
from io import BytesIO
from typing import TYPE_CHECKING, Any

from mutagen.id3 import ID3, _frames

from daemon.tagging.basics.byte_views import ViewFile
from daemon.tagging.basics.keys import MOOD
from daemon.tagging.basics.tag_errors import EXPANDING_TAGS, TagsRefused
from daemon.tagging.formats.detect import ID3_PLACES
from daemon.tagging.formats.mutagen_errors import refusing
from daemon.tagging.formats.mutagen_formats import FORMATS
from daemon.tagging.formats.older_tags import id3v1_block

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from daemon.tagging.basics.byte_views import View

_FLAC_PADDING, _FLAC_COMMENTS = 1, 4
_ID3: Any = ID3
_ID3_FRAMES: Any = _frames

MOST_EXPANDED = 16 << 20
"""How many bytes a compressed frame of ID3 may expand to."""


class _BoundedZlib:
    """What mutagen uses of `zlib`, with a limit: a frame of a megabyte can expand to gigabytes."""

    error = zlib.error

    @staticmethod
    def decompress(content: bytes) -> bytes:
        expanding = zlib.decompressobj()
        expanded = expanding.decompress(content, MOST_EXPANDED)
        if len(expanded) == MOST_EXPANDED:
            raise TagsRefused(EXPANDING_TAGS)
        if not expanding.eof:
            raise zlib.error("it is cut short")
        return expanded


_ID3_FRAMES.zlib = _BoundedZlib


def foreign_tags(view: View, kind: str, ours: Collection[str]) -> list[tuple[str, str]]:
    """Return every tag item but ours, each as its name and a digest of its value, sorted.

    Raises:
        TagsRefused: mutagen cannot read the tags.
        OSError: the file cannot be read.
    """
    with refusing(file := ViewFile(view)):
        pairs: list[tuple[str, Any]] = [("ID3v1", id3v1_block(view))]
        if kind in FORMATS and kind != "mp3":
            pairs += _listed(file, kind, ours)
        if kind in ID3_PLACES and kind != "flac":
            pairs += _id3(view, kind, ours)
    with suppress(TagsRefused), refusing(file):
        pairs += _second(file, kind, ours)
    return sorted((name, _digest(value)) for name, value in pairs)


def _second(file: ViewFile, kind: str, ours: Collection[str]) -> list[tuple[str, Any]]:
    """Return what players read of an MP3 or FLAC with no tags in the usual place."""
    if kind == "mp3":
        return list(_listed(file, kind, ours))
    return list(_id3(file.view, kind, ours)) if kind == "flac" else []


def _id3(view: View, kind: str, ours: Collection[str]) -> Iterator[tuple[str, Any]]:
    tag = ID3_PLACES[kind].tag(view)
    if tag is None:
        return
    tags = _ID3(BytesIO(tag.raw), translate=False, load_v1=False)
    for frame in tags.values():
        name = frame.desc if frame.FrameID == "TXXX" else None
        if frame.FrameID == "TMOO" or (name and name.upper() == MOOD):
            name = MOOD
        if name not in ours:
            yield frame.HashKey, frame
    yield from (("unknown", raw) for raw in tags.unknown_frames)


def _listed(file: ViewFile, kind: str, ours: Collection[str]) -> Iterator[tuple[str, Any]]:
    opened = FORMATS[kind].opened(file)
    tags = opened.tags if opened.tags is not None else []
    # Everywhere else names count in any case.
    spelled = str if kind in ("mp4", "asf") else str.upper
    names = {spelled(FORMATS[kind].name(key)) for key in ours}
    for name, value in tags if isinstance(tags, list) else tags.items():
        if spelled(name) not in names:
            yield name, value
    if kind == "flac":
        for block in opened.metadata_blocks:
            if block.code not in (_FLAC_PADDING, _FLAC_COMMENTS):
                yield f"block {block.code}", block.write()
    if kind == "mp4":
        # Atoms that mutagen cannot parse; it writes them back unless another has the same name.
        yield "unknown", sorted(getattr(tags, "_failed_atoms", {}).items())
        yield "chapters", [(chapter.start, chapter.title) for chapter in opened.chapters or ()]


def _digest(value: Any) -> str:
    return blake2b(repr(value).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
