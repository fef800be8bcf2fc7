"""Proves that a copy with other tags holds everything else as its original does.

Our keys must read back as wanted, mutagen and ffmpeg must each read every other tag and picture as
before, and the audio packets must be the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from daemon.tagging.basics.byte_views import OpenFile
from daemon.tagging.basics.keys import MOOD
from daemon.tagging.basics.tag_errors import Unproven, damage_refused
from daemon.tagging.formats.detect import container_of
from daemon.tagging.formats.foreign_tags import foreign_tags

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.tagging.basics.tag_jobs import Claim, FileReading

# How ffmpeg calls our mood in ID3v2.4 and ASF.
_OURS_IN_FFMPEG = {"TMOO": MOOD, "WM/MOOD": MOOD}
# What ffmpeg reads of an ID3v1 block only where there is no ID3v2 tag.
_ID3V1_KEYS = frozenset({"title", "artist", "album", "comment", "genre", "track", "date"})


class FfmpegReader(Protocol):
    """Reads an open file by ffmpeg."""

    def __call__(self, file: int, *, hashed: bool = True) -> FileReading:
        """Read metadata and, if `hashed`, hash the audio packets; raises ClipError."""


def prove(original: int, copy: int, claim: Claim, reader: FfmpegReader) -> str | None:
    """Compare a copy with its original, both given as open files.

    Returns:
        The hash of the copy's audio packets.

    Raises:
        Unproven: something else than our keys differs.
        TagsRefused: mutagen cannot read one of the two.
        ClipError: `reader` cannot read one of the two.
    """
    before, made = OpenFile(original), OpenFile(copy)
    with damage_refused():
        container = container_of(made)
        if container.kind != claim.kind or container.items(made, claim.ours) != claim.wanted:
            raise Unproven("the new tags could not be read back; the file is left alone")
        has_id3v2 = all(container.has_block(view) for view in (before, made))
    if foreign_tags(made, claim.kind, claim.ours) != foreign_tags(before, claim.kind, claim.ours):
        raise Unproven("another tag would have changed; the file is left alone")
    new = reader(copy)
    # A hash of parts of a long file is known at most; then all of the original must be read, too.
    old = reader(original, hashed=new.audio_hash != claim.audio_hash)
    if old.audio_hash not in (None, new.audio_hash):
        raise Unproven("its sound would have changed; the file is left alone")
    left_out = frozenset() if has_id3v2 or claim.kind != "mp3" else _ID3V1_KEYS
    if _foreign(old, claim.ours, left_out) != _foreign(new, claim.ours, left_out):
        raise Unproven("other programs would read another tag differently; the file is left alone")
    return new.audio_hash


def _foreign(
    reading: FileReading, ours: Collection[str], left_out: Collection[str]
) -> list[tuple[str, ...]] | None:
    if reading.metadata is None:
        return None
    return [
        item
        for item in reading.metadata
        if _OURS_IN_FFMPEG.get(item[1].upper(), item[1].upper()) not in ours
        and item[1].lower() not in left_out
    ]
