"""Plain reasons why a sound file cannot be read, and what to do about it.

ffmpeg's own messages are for its developers, and some of its errors are numbers without a name.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import av.error

from trainer.trainer_errors import NEEDS_MEMORY

if TYPE_CHECKING:
    from pathlib import Path

_DAMAGED = "damaged, or not a sound file"
_UNKNOWN_VARIANT = (
    "damaged, or a variant of its format that is not read here; "
    "if it plays elsewhere, convert it, to FLAC for instance"
)
_FORBIDDEN = "permission denied"

_BY_CLASS: dict[type[Exception], str] = {
    av.error.InvalidDataError: _DAMAGED,
    av.error.EOFError: "ends before its sound begins",
    av.error.DecoderNotFoundError: "its codec is not supported; convert it, to FLAC for instance",
    av.error.PatchWelcomeError: _UNKNOWN_VARIANT,
    av.error.NotImplementedError: _UNKNOWN_VARIANT,
    MemoryError: NEEDS_MEMORY,
}

_BY_NUMBER = {
    errno.EINVAL: "not a sound file of a kind that is read here (playlists are never followed)",
    errno.ENOENT: "no such file",
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENOMEM: NEEDS_MEMORY,
    # ffmpeg reports this number also for a file that promises more than it holds.
    errno.EIO: "cut short, or the disk reports a read error",
}

# Demuxers use these numbers for faults of a file; for a disk they would mean nothing.
_FAULTS_OF_FILES = frozenset({errno.EAGAIN, errno.EDOM, errno.ERANGE, errno.EBUSY, errno.ENOSPC})


def reason_of(path: Path, error: Exception) -> str:
    """Returns why a file cannot be read, in one line without the path.

    Args:
        path: the file.
        error: what ffmpeg, PyAV or the system raised.
    """
    for kind, reason in _BY_CLASS.items():
        if isinstance(error, kind):
            return reason
    if not isinstance(error, OSError | av.error.FFmpegError):
        first_line = (str(error) or type(error).__name__).splitlines()[0]
        return f"cannot be decoded: {first_line}"
    number = error.errno or 0
    # Many demuxers return -1 for damage, which is also the number of a lack of permission.
    if number == errno.EPERM and os.access(path, os.R_OK):
        return _DAMAGED
    if number in _BY_NUMBER:
        return _BY_NUMBER[number]
    if number in _FAULTS_OF_FILES or number not in errno.errorcode:
        return _DAMAGED
    return f"the disk or share cannot deliver it: {os.strerror(number)}"
