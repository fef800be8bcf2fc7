"""Every tag of a file besides ours, as mutagen reads it; to compare a copy with its original."""

from __future__ import annotations

import zlib
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from mutagen.aiff import AIFF
from mutagen.dsf import DSF
from mutagen.id3 import ID3, ID3NoHeaderError, _frames
from mutagen.wave import WAVE

from daemon.tagging.basics.byte_views import ViewFile
from daemon.tagging.basics.keys import MOOD
from daemon.tagging.basics.tag_errors import EXPANDING_TAGS, TagsRefused
from daemon.tagging.formats.mutagen_errors import refusing
from daemon.tagging.formats.mutagen_formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from daemon.tagging.basics.byte_views import View

_FLAC_PADDING, _FLAC_COMMENTS = 1, 4
_ID3_HOSTS: dict[str, Any] = {"wav": WAVE, "aiff": AIFF, "dsf": DSF}
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
        pairs = list(_listed(file, kind, ours) if kind in FORMATS else _id3(file, kind, ours))
    return sorted((name, _digest(value)) for name, value in pairs)


def _id3(file: ViewFile, kind: str, ours: Collection[str]) -> Iterator[tuple[str, Any]]:
    try:
        host = _ID3_HOSTS.get(kind)
        tags = host(file, translate=False).tags if host else _ID3(file, translate=False)
    except ID3NoHeaderError:
        return
    if tags is None:
        return
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
