"""Every tag of a file besides ours, as mutagen reads it; to compare a copy with its original."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from mutagen.aiff import AIFF
from mutagen.dsf import DSF
from mutagen.id3 import ID3, ID3NoHeaderError
from mutagen.wave import WAVE

from daemon.tagging.formats.byte_views import ViewFile
from daemon.tagging.formats.keys import MOOD
from daemon.tagging.formats.mutagen_formats import FORMATS, refusing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from daemon.tagging.formats.byte_views import View

_FLAC_PADDING, _FLAC_COMMENTS = 1, 4
_ID3_HOSTS: dict[str, Any] = {"wav": WAVE, "aiff": AIFF, "dsf": DSF}
_ID3: Any = ID3


def foreign_tags(view: View, kind: str, ours: Collection[str]) -> list[tuple[str, str]]:
    """Return every tag item but ours, each as its name and a digest of its value, sorted.

    Args:
        view: the file.
        kind: as `Container.kind`.
        ours: our keys, left out.

    Raises:
        TagsRefused: mutagen cannot read the tags.
        OSError: the file cannot be read.
    """
    file = ViewFile(view)
    with refusing(file):
        if kind in FORMATS:
            pairs = list(_LISTED[kind](FORMATS[kind].load(file), ours))
        else:
            pairs = list(_id3(_id3_of(file, kind), ours))
    return sorted((name, _digest(value)) for name, value in pairs)


def _id3_of(file: ViewFile, kind: str) -> Any:
    if kind in _ID3_HOSTS:
        return _ID3_HOSTS[kind](file, translate=False).tags
    try:
        return _ID3(file, translate=False)
    except ID3NoHeaderError:
        return None


def _id3(tags: Any, ours: Collection[str]) -> Iterator[tuple[str, Any]]:
    if tags is None:
        return
    for frame in tags.values():
        name = frame.desc if frame.FrameID in ("TXXX", "TXX") else None
        if frame.FrameID == "TMOO" or (name and name.upper() == MOOD):
            name = MOOD
        if name not in ours:
            yield frame.HashKey, frame
    for raw in tags.unknown_frames:
        yield "unknown", raw


def _pairs(opened: Any, ours: Collection[str]) -> Iterator[tuple[str, Any]]:
    """List Vorbis comments, whose names count in any case."""
    for name, value in opened.tags or ():
        if name.upper() not in ours:
            yield name, value


def _flac(opened: Any, ours: Collection[str]) -> Iterator[tuple[str, Any]]:
    yield from _pairs(opened, ours)
    for block in opened.metadata_blocks:
        if block.code not in (_FLAC_PADDING, _FLAC_COMMENTS):
            yield f"block {block.code}", block.write()


def _mp4(opened: Any, ours: Collection[str]) -> Iterator[tuple[str, Any]]:
    names = {FORMATS["mp4"].name(key) for key in ours}
    for name, value in (opened.tags or {}).items():
        if name not in names:
            yield name, value
    # Atoms that mutagen cannot parse, which it writes back unless another has the same name.
    yield "unknown", sorted(opened.tags._failed_atoms.items()) if opened.tags else []  # noqa: SLF001
    yield "chapters", [(chapter.start, chapter.title) for chapter in opened.chapters or ()]


def _asf(opened: Any, ours: Collection[str]) -> Iterator[tuple[str, Any]]:
    names = {FORMATS["asf"].name(key) for key in ours}
    return ((name, value) for name, value in opened.tags if name not in names)


def _ape(opened: Any, ours: Collection[str]) -> Iterator[tuple[str, Any]]:
    return ((name, v) for name, v in (opened.tags or {}).items() if name.upper() not in ours)


_LISTED = {
    "flac": _flac,
    "ogg": _pairs,
    "mp4": _mp4,
    "asf": _asf,
    **dict.fromkeys(("ape", "wavpack", "musepack"), _ape),
}


def _digest(value: Any) -> str:
    return blake2b(repr(value).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
