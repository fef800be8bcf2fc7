"""Proves that a copy with other tags holds everything else as its original does.

Our keys must read back as wanted, mutagen and ffmpeg must each read every other tag and picture as
before, and the audio packets must be the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.tagging.disk.source import opened
from daemon.tagging.formats.detect import container_of
from daemon.tagging.formats.foreign_tags import foreign_tags
from daemon.tagging.formats.keys import MOOD
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from daemon.tagging.disk.source import FileReading, Reader, SourceFile
    from daemon.tagging.edit_plan import EditPlan

# How ffmpeg calls our mood in ID3v2.4 and ASF.
_OURS_IN_FFMPEG = {"TMOO": MOOD, "WM/MOOD": MOOD}
# What ffmpeg reads of an ID3v1 block only where there is no ID3v2 tag.
_ID3V1_KEYS = frozenset({"title", "artist", "album", "comment", "genre", "track", "date"})


class Unproven(TagsRefused):
    """A copy was made, but is not what was wanted; it was thrown away."""


def prove(
    source: SourceFile, copy: Path, plan: EditPlan, reader: Reader, audio_hash: str | None
) -> str:
    """Compare a copy, in which the plan was carried out, with its original.

    Returns:
        The hash of all audio packets of both.

    Raises:
        Unproven: something else than our keys differs.
        TagsRefused: mutagen cannot read one of the two.
        ClipError: `reader` cannot read one of the two.
    """
    kind = plan.undo.kind
    with opened(copy, source.disk) as made:
        container = container_of(made.view)
        if container.kind != kind or container.items(made.view, plan.ours) != plan.wanted:
            raise Unproven("the new tags could not be read back; the file is left alone")
        has_id3v2 = all(container.has_block(view) for view in (source.view, made.view))
        old_tags = foreign_tags(source.view, kind, plan.ours)
        if foreign_tags(made.view, kind, plan.ours) != old_tags:
            raise Unproven("another tag would have changed; the file is left alone")
    new = reader(copy)
    # A hash of parts of a long file is known at most; then all of the original must be read, too.
    old = reader(source.path, hashed=new.audio_hash != audio_hash)
    if old.audio_hash not in (None, new.audio_hash):
        raise Unproven("its sound would have changed; the file is left alone")
    left_out = frozenset() if has_id3v2 or kind != "mp3" else _ID3V1_KEYS
    if _foreign(old, plan.ours, left_out) != _foreign(new, plan.ours, left_out):
        raise Unproven("other programs would read another tag differently; the file is left alone")
    return new.audio_hash or ""


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
