"""What mutagen, which had no part in the edit, reads in a file besides our keys.

The only module that imports mutagen. Equal answers before and after an edit are a second proof
that no other tag changed; the first is that the edit names the bytes it touches.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import mutagen
from mutagen.aiff import AIFF
from mutagen.apev2 import APENoHeaderError, APEv2
from mutagen.asf import ASF
from mutagen.dsf import DSF
from mutagen.flac import FLAC
from mutagen.id3 import ID3, ID3NoHeaderError
from mutagen.mp4 import MP4
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from daemon.tagging.formats.keys import MOOD
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

Opinion = list[tuple[str, str]]

_OGGS = (OggVorbis, OggOpus, OggFLAC)


def foreign_tags(path: Path, kind: str, ours: Collection[str]) -> Opinion:
    """Return every tag item but ours, each as its name and a digest of its value, sorted.

    Args:
        path: the file.
        kind: as `Container.kind`.
        ours: our keys, left out.

    Raises:
        Refused: mutagen cannot read the tags.
        OSError: the file cannot be read.
    """
    try:
        pairs = list(_pairs(path, kind, ours))
    except (mutagen.MutagenError, ValueError, KeyError, IndexError, AssertionError) as error:
        # Damaged tags surface in mutagen as any of these, not only as its own error.
        detail = " ".join(str(error).split())[:120] or type(error).__name__
        raise TagsRefused(
            f"its present tags cannot be read ({detail}); repair them first"
        ) from error
    return sorted((name, _digest(value)) for name, value in pairs)


def _pairs(path: Path, kind: str, ours: Collection[str]) -> Iterator[tuple[str, Any]]:
    load, listed = _READERS[kind]
    return listed(load(path), ours)


def _hosted_id3(host: Any) -> Callable[[Path], Any]:
    return lambda path: host(path, translate=False).tags


def _untyped(kind: Any) -> Any:
    # mutagen says that it is typed, but hardly any of its constructors is.
    return kind


def _id3_of(path: Path) -> Any:
    try:
        return _untyped(ID3)(path, translate=False)
    except ID3NoHeaderError:
        return None


def _id3(tags: Any, ours: Collection[str]) -> Iterator[tuple[str, Any]]:
    if tags is None:
        return
    for frame in tags.values():
        described = frame.FrameID in ("TXXX", "TXX")
        name = frame.desc.upper() if described and frame.desc.upper() == MOOD else None
        name = name or (frame.desc if described else None)
        if name not in ours and not (frame.FrameID == "TMOO" and MOOD in ours):
            yield frame.HashKey, frame
    for raw in tags.unknown_frames:
        yield "unknown", raw


def _vorbis(tags: Any, ours: Collection[str]) -> Iterator[tuple[str, Any]]:
    for name, value in tags or ():
        if name.upper() not in ours:
            yield name, value


def _flac(file: Any, ours: Collection[str]) -> Iterator[tuple[str, Any]]:
    yield from _vorbis(file.tags, ours)
    for block in file.metadata_blocks:
        # 1 is padding, which makes room, and 4 the comments, seen above.
        if block.code not in (1, 4):
            yield f"block {block.code}", block.write()


def _mp4(file: Any, ours: Collection[str]) -> Iterator[tuple[str, Any]]:
    for name, value in (file.tags or {}).items():
        if name.removeprefix("----:com.apple.iTunes:") not in ours or not name.startswith("----"):
            yield name, value
    yield "chapters", [(chapter.start, chapter.title) for chapter in file.chapters or ()]


def _asf(file: Any, ours: Collection[str]) -> Iterator[tuple[str, Any]]:
    for name, value in file.tags:
        if ("MOOD" if name == "WM/Mood" else name) not in ours:
            yield name, value


def _ape_of(path: Path) -> Any:
    try:
        return _untyped(APEv2)(path)
    except APENoHeaderError:
        return None


def _ape(tags: Any, ours: Collection[str]) -> Iterator[tuple[str, Any]]:
    for name, value in (tags or {}).items():
        if name.upper() not in ours:
            yield name, value


def _digest(value: Any) -> str:
    return blake2b(repr(value).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


_Reader = tuple[
    "Callable[[Path], Any]", "Callable[[Any, Collection[str]], Iterator[tuple[str, Any]]]"
]
_READERS: dict[str, _Reader] = {
    "mp3": (_id3_of, _id3),
    "wav": (_hosted_id3(WAVE), _id3),
    "aiff": (_hosted_id3(AIFF), _id3),
    "dsf": (_hosted_id3(DSF), _id3),
    "flac": (_untyped(FLAC), _flac),
    "ogg": (lambda path: _untyped(mutagen.File)(path, options=_OGGS).tags, _vorbis),
    "mp4": (_untyped(MP4), _mp4),
    "asf": (_untyped(ASF), _asf),
    "ape": (_ape_of, _ape),
    "wavpack": (_ape_of, _ape),
    "musepack": (_ape_of, _ape),
}
