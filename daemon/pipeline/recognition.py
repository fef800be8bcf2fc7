"""Recognises a file of which only name, owner, permissions, links or times have changed.

Only reading a whole file can show that a new change time stands for no new content. That is spared
where something else explains it; a sample of the bytes must then be as before.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from storage.schema.file_stamps import FileLook, FileStamp
from trainer.audio.sound_file import opened
from trainer.trainer_errors import ClipError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from storage.schema.records import Clip

_END_BYTES: Final = 1 << 16
_PIECE_BYTES: Final = 1 << 14
_PIECES: Final = 6

_SECOND_NS: Final = 10**9
_QUARTER_HOUR_NS: Final = 900 * _SECOND_NS
_FARTHEST_NS: Final = 26 * 3600 * _SECOND_NS
"""Between the time zones that are farthest apart."""


def look_of(descriptor: int) -> FileLook | None:
    """Return the look of an open file, None if it cannot be read."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        status = os.fstat(descriptor)
        for offset, length in _pieces(status.st_size):
            digest.update(os.pread(descriptor, length, offset))
    except OSError:
        return None
    return FileLook(_attributes(status), digest.hexdigest())


def _pieces(size: int) -> Iterator[tuple[int, int]]:
    """Yield offset and length of each piece of a sample: most tags lie at the ends."""
    yield 0, _END_BYTES
    for number in range(1, _PIECES + 1):
        yield number * size // (_PIECES + 1), _PIECE_BYTES
    yield max(0, size - _END_BYTES), _END_BYTES


def look_at(path: Path, stamp: FileStamp | None) -> FileLook | None:
    """Return the look of a file that has a stamp, None if it has another or cannot be read."""
    if stamp is None:
        return None
    with suppress(ClipError), opened(path, follow_links=False) as file:
        if FileStamp.of(os.fstat(file.descriptor)) == stamp:
            return look_of(file.descriptor)
    return None


def is_same(clip: Clip, path: Path, stamp: FileStamp, look: FileLook) -> bool:
    """Tell whether a file has the content of a clip, although its stamp is another one."""
    if clip.stamp.holds_for(stamp):
        return True
    if clip.look is None or clip.stamp.size != stamp.size or clip.look.sample != look.sample:
        return False
    if clip.stamp.mtime_ns != stamp.mtime_ns:
        return _is_shown_otherwise(clip.stamp.mtime_ns, stamp.mtime_ns)
    return (
        clip.path != path
        or clip.look.attributes != look.attributes
        # On FAT and exFAT, every mount gives new inodes, and the change time is no proof.
        or (clip.stamp.inode != stamp.inode and not stamp.has_fine_ctime)
    )


def _is_shown_otherwise(before_ns: int, now_ns: int) -> bool:
    """Tell whether a file system like FAT shows the same time of modification in another way.

    It keeps local time, so a change of the time zone moves all times by hours; and it keeps
    multiples of two seconds, to which the exact time is rounded once it is read from the disk.
    """
    if now_ns % _SECOND_NS:
        return False
    moved_ns = now_ns - before_ns
    is_other_zone = moved_ns % _QUARTER_HOUR_NS == 0 and abs(moved_ns) <= _FARTHEST_NS
    return is_other_zone or (before_ns % (2 * _SECOND_NS) != 0 and -2 * _SECOND_NS < moved_ns <= 0)


def _attributes(status: os.stat_result) -> str:
    return f"{status.st_mode:o} {status.st_uid}:{status.st_gid} {status.st_nlink}"
