"""Proves that a copy with other tags holds everything else as its original does.

Our keys must read back as wanted, mutagen and ffmpeg must each read every other tag and picture as
before, and the audio packets must be the same. Only the texts of older tags, which players would
no longer look for, may be there once more.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from daemon.tagging.basics.byte_views import OpenFile
from daemon.tagging.basics.keys import MOOD
from daemon.tagging.basics.tag_errors import Unproven, damage_refused
from daemon.tagging.formats.detect import container_of
from daemon.tagging.formats.foreign_tags import foreign_tags
from trainer.audio.sound_file import SoundFile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from daemon.tagging.basics.tag_jobs import Claim, FileReading

# How ffmpeg calls our mood in ID3v2.4 and ASF.
_OURS_IN_FFMPEG = {"TMOO": MOOD, "WM/MOOD": MOOD}
# What ffmpeg reads of an ID3v1 block where there are no other tags.
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
        repeated = container.repeated(before)
        # A restored file has no second copy of the texts any more.
        poorer, richer = (before, made) if repeated else (made, before)
        repeated = repeated or container.repeated(made)
    _demand_same(
        foreign_tags(poorer, claim.kind, claim.ours),
        foreign_tags(richer, claim.kind, claim.ours),
        lambda name, _: name.partition(":")[0] in {each.partition(":")[0] for each in repeated},
        "another tag would have changed; the file is left alone",
    )
    audio_hash = claim.audio_hash if _is_same_sound(original, copy, claim) else None
    new = reader(copy, hashed=audio_hash is None)
    audio_hash = audio_hash or new.audio_hash
    # A hash of parts of a long file is known at most; then all of the original must be read, too.
    old = reader(original, hashed=audio_hash != claim.audio_hash)
    if old.audio_hash not in (None, audio_hash):
        raise Unproven("its sound would have changed; the file is left alone")
    is_back = poorer is made
    _demand_same_by_ffmpeg(*((new, old) if is_back else (old, new)), claim, repeated)
    return audio_hash


def _is_same_sound(original: int, copy: int, claim: Claim) -> bool:
    """Return whether the sound is known to be the same without a hash of it."""
    from trainer.audio.packets.same_sound import COMPARED, same_sound  # noqa: PLC0415 - loads ffmpeg

    if claim.audio_hash is None or claim.kind not in COMPARED:
        return False
    first, second = (SoundFile(Path(claim.kind), file) for file in (original, copy))
    return same_sound(first, second)


def _demand_same_by_ffmpeg(
    old: FileReading, new: FileReading, claim: Claim, repeated: Mapping[str, str]
) -> None:
    # ffmpeg hands out the bytes of an ID3v1 block, but the letters of other tags.
    undecoded = _ID3V1_KEYS if repeated and claim.kind != "wav" else frozenset()
    before, after = (_foreign(each, claim.ours, undecoded) for each in (old, new))
    if before is None or after is None:
        return
    _demand_same(
        before,
        after,
        lambda _, digest: bool(repeated) and digest in _known_texts(before, repeated),
        "other programs would read another tag differently; the file is left alone",
    )


def _known_texts(before: list[tuple[str, str]], repeated: Mapping[str, str]) -> set[str]:
    from trainer.audio.packets.ffmpeg_reading import text_digest  # noqa: PLC0415 - loads ffmpeg

    return {"", *map(text_digest, repeated.values()), *(digest for _, digest in before)}


def _demand_same(
    before: list[tuple[str, str]],
    after: list[tuple[str, str]],
    may_be_added: Callable[[str, str], bool],
    reason: str,
) -> None:
    """Raise Unproven with the reason if items were lost, or others added than those allowed."""
    old, new = Counter(before), Counter(after)
    if old - new or not all(may_be_added(*item) for item in new - old):
        raise Unproven(reason)


def _foreign(
    reading: FileReading, ours: Collection[str], undecoded: Collection[str]
) -> list[tuple[str, str]] | None:
    if reading.metadata is None:
        return None
    return [
        (f"{place} {key}", "" if key.lower() in undecoded else digest)
        for place, key, digest in reading.metadata
        if _OURS_IN_FFMPEG.get(key.upper(), key.upper()) not in ours
    ]
