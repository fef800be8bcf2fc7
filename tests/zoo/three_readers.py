"""What three programs that are not ours read of a file: mutagen, PyAV (ffmpeg) and TagLib."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import mutagen
import mutagen.apev2
import mutagen.flac
import mutagen.id3
import mutagen.mp4
import mutagen.wave
import taglib

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Tags = dict[str, str]

OURS = ("MOOD_AROUSAL", "MOOD_VALENCE", "VALENCED")

# mutagen's constructors carry no types.
_ID3: Any = mutagen.id3.ID3
_APE: Any = mutagen.apev2.APEv2
_MP4: Any = mutagen.mp4.MP4
_FLAC: Any = mutagen.flac.FLAC
_WAVE: Any = mutagen.wave.WAVE
_FILE: Any = mutagen.File
_IN: dict[str, tuple[Any, ...]] = {
    "mp3": (lambda path: _ID3(path, load_v1=False), _APE),
    "wav": (_WAVE,),
    "flac": (_FLAC, lambda path: _ID3(path, load_v1=False)),
    "mp4": (_MP4,),
    "wavpack": (_APE,),
    "ape": (_APE,),
    "musepack": (_APE,),
}


class Reading(NamedTuple):
    """What each program reads: texts by name; None where it cannot open the file."""

    mutagen: Tags | None
    ffmpeg: Tags | None
    taglib: Tags | None


class Split(NamedTuple):
    """The tags of others, and whether ours are there."""

    others: Tags
    has_ours: bool


def reading_of(path: Path, family: str) -> Reading:
    """Read a file by all three."""
    return Reading(_by_mutagen(path, family), _by_ffmpeg(path), _by_taglib(path))


def split(tags: Tags) -> Split:
    """Tell ours from those of others."""
    ours = {name for name in tags if name.upper().endswith(OURS)}
    others = {name: text for name, text in tags.items() if text and name not in ours}
    return Split(others, len(ours) == len(OURS))


def _by_mutagen(path: Path, family: str) -> Tags | None:
    found: Tags | None = None
    for opened in _IN.get(family, (_FILE,)):
        with suppress(mutagen.MutagenError):
            file = opened(path)
            tags = getattr(file, "tags", file)
            items = {} if tags is None else {name: repr(tags[name]) for name in tags.keys()}  # noqa: SIM118
            found = {**items, **(found or {})}
    return found


def _by_ffmpeg(path: Path) -> Tags | None:
    try:
        with av.open(path, metadata_errors="surrogateescape") as container:
            found = {f"file {name}": text for name, text in container.metadata.items()}
            for stream in container.streams:
                found |= {f"{stream.index} {name}": t for name, t in stream.metadata.items()}
    except (av.error.FFmpegError, OSError):
        return None
    return found


def _by_taglib(path: Path) -> Tags | None:
    try:
        with _silence(), taglib.File(path) as file:
            found = {name: "\n".join(texts) for name, texts in file.tags.items()}
    except OSError:
        return None
    return found


@contextmanager
def _silence() -> Iterator[None]:
    """Drop what TagLib prints about damage."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
