"""Identifies a sound by its audio packets alone.

The digest covers the bytes of the audio packets in order, without the borders between them, so a
rename, a copy or a tag edit leaves it unchanged, and any change to the sound does not. It serves as
the identity of a sound and, with `every_packet`, as proof that a tag write harmed nothing.

Up to `HEAD_BYTES` of packets are always hashed. Of what lies beyond, the identity of containers
that seek to the sample (WAV, AIFF and their kin, MP4) takes `CHUNKS` pieces of `CHUNK_BYTES`,
evenly spread, so a 10-hour recording is identified in well under a second. Other containers are
hashed to the end: where a seek lands in them may depend on the length of the tags.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from trainer.audio.container import open_sound
from trainer.audio.packets.packet_bytes import MP4, each_packet, packet_bytes
from trainer.audio.sound_file import FileView, opened
from trainer.audio.tag_blocks import between_tags

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from trainer.audio.sound_file import SoundFile

HEAD_BYTES = 128 * 2**20
"""Bytes of packets that are hashed whatever the container."""

CHUNKS = 8
"""Pieces taken from beyond the head where a container seeks exactly."""

CHUNK_BYTES = 4 * 2**20
"""Length of each piece."""

_SEEKS_EXACTLY = frozenset({"wav", "w64", "aiff", "caf", "au", MP4})

_DIGEST_BYTES = 16


def identify(source: Path | SoundFile, *, every_packet: bool = False) -> str:
    """Identifies the sound of a file.

    Args:
        source: a regular file, or its path.
        every_packet: hash all of a file of more than `HEAD_BYTES`; the answer differs from the
            default one only for such files.

    Returns:
        32 hexadecimal digits, the same before and after any edit of the tags.

    Raises:
        UnreadableClip: the file cannot be opened or holds no audio stream.
    """
    with opened(source) as file:
        within = between_tags(file)
        with open_sound(file, within, decoded=False) as (container, stream):
            digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
            exact = container.format.name in _SEEKS_EXACTLY and bool(stream.duration)
            limit = HEAD_BYTES if exact and not every_packet else None
            if _hash(digest, packet_bytes(FileView(file, within), container, stream), limit):
                first, duration = stream.start_time or 0, stream.duration or 0
                for index in range(1, CHUNKS + 1):
                    container.seek(first + duration * index // (CHUNKS + 1), stream=stream)
                    _hash(digest, each_packet(container, stream), CHUNK_BYTES)
            return digest.hexdigest()


def _hash(digest: hashlib.blake2b, pieces: Iterable[bytes], limit: int | None) -> bool:
    """Hashes up to `limit` bytes; returns whether there were more."""
    for piece in pieces:
        digest.update(piece[:limit])
        if limit is not None:
            limit -= len(piece)
            if limit < 0:
                return True
    return False
