"""What ffmpeg reads of a file besides its sound: metadata, chapters and attached pictures.

The daemon writes tags with mutagen and compares this reading before and after, so that the proof
of a write does not rest on the library that wrote.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from av.stream import Discard, Disposition

from trainer.audio.container import open_sound
from trainer.audio.packets.fingerprint import identify
from trainer.audio.sound_file import opened
from trainer.trainer_errors import UnreadableClip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from av.container import InputContainer

    from trainer.audio.sound_file import SoundFile

LONGEST_CREDIT: Final = 200

Item = tuple[str, str, str]
"""Where a value stands (`file`, `stream N`, `chapter N`, `picture N`), its key and its digest."""


def read_back(source: Path | SoundFile, *, hashed: bool = True) -> dict[str, Any]:
    """Read a file as JSON values: `audio_hash` and `metadata`.

    Args:
        source: a regular file, or its path.
        hashed: hash every audio packet, too; otherwise `audio_hash` is None.

    Returns:
        `metadata` is a sorted list of `Item`; None if ffmpeg reads the sound only without the tags
        around it.

    Raises:
        UnreadableClip: the file cannot be opened or holds no audio stream.
    """
    with opened(source) as file:
        audio_hash = identify(file, every_packet=True) if hashed else None
        try:
            # Unlike the hash, this must see the tags in front of the sound and behind it.
            with open_sound(file, decoded=False) as (container, _):
                return {"audio_hash": audio_hash, "metadata": sorted(_items(container))}
        except UnreadableClip:
            return {"audio_hash": audio_hash, "metadata": None}


def credits_of(source: Path | SoundFile) -> dict[str, str]:
    """Return artist and title as the tags of a file have them, cut off; empty where they have none.

    Args:
        source: a regular file, or its path.

    Raises:
        UnreadableClip: the file cannot be opened or holds no audio stream.
    """
    with opened(source) as file, open_sound(file, decoded=False) as (container, stream):
        # Ogg keeps its tags in the stream.
        texts = {**stream.metadata, **container.metadata}
        found = {key.lower(): value for key, value in texts.items()}
        artist = found.get("artist") or found.get("album_artist") or ""
        return {"artist": artist[:LONGEST_CREDIT], "title": found.get("title", "")[:LONGEST_CREDIT]}


def _items(container: InputContainer) -> Iterator[Item]:
    yield from _texts("file", container.metadata)
    for stream in container.streams:
        yield from _texts(f"stream {stream.index}", stream.metadata)
    for index, chapter in enumerate(container.chapters()):
        times = f"{chapter['start']} {chapter['end']} {chapter['time_base']}"
        yield f"chapter {index}", "", _digest(times.encode())
        yield from _texts(f"chapter {index}", chapter["metadata"])
    pictures = [s for s in container.streams if s.disposition & Disposition.attached_pic]
    for index, picture in enumerate(pictures):
        picture.discard = Discard.default
        # ffmpeg hands out attached pictures before the first packet of sound.
        packet = next(container.demux(picture), None)
        yield f"picture {index}", "", _digest(bytes(packet) if packet else b"")


def _texts(place: str, metadata: Mapping[str, str]) -> Iterator[Item]:
    for key, value in metadata.items():
        yield place, key, text_digest(value)


def text_digest(text: str) -> str:
    """Return the digest of a text in an `Item`."""
    return _digest(text.encode("utf-8", "surrogateescape"))


def _digest(raw: bytes) -> str:
    return blake2b(raw, digest_size=16).hexdigest()
