"""Says in plain words why a sound file cannot be read: what is the case, and what to do about it.

ffmpeg's own words are for its developers, and some of its errors are numbers that no list holds.
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
_CUT_SHORT = "ends before its sound begins"
_NO_DECODER = "its sound is coded in a way that is not read here; convert it, to FLAC for instance"
_UNKNOWN_VARIANT = (
    "damaged, or a variant of its format that is not read here; "
    "if it plays elsewhere, convert it, to FLAC for instance"
)
_FORBIDDEN = "permission denied"

# The first that fits counts.
_OF_FFMPEG: tuple[tuple[type[Exception], str], ...] = (
    (av.error.InvalidDataError, _DAMAGED),
    (av.error.EOFError, _CUT_SHORT),
    (av.error.DecoderNotFoundError, _NO_DECODER),
    (av.error.PatchWelcomeError, _UNKNOWN_VARIANT),
    (av.error.NotImplementedError, _UNKNOWN_VARIANT),
)

_OF_SYSTEM = {
    errno.EINVAL: "not a sound file of a kind that is read here (playlists are never followed)",
    errno.ENOENT: "no such file",
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENOMEM: NEEDS_MEMORY,
    # ffmpeg says the same of a file that promises more than it holds.
    errno.EIO: "cut short, or the disk reports a read error",
}

# Demuxers borrow these names for what they find in a file; of a disk they would mean nothing.
_BORROWED = frozenset({errno.EAGAIN, errno.EDOM, errno.ERANGE, errno.EBUSY, errno.ENOSPC})


def reason_of(path: Path, error: Exception) -> str:
    """Says why a file cannot be read.

    Args:
        path: the file.
        error: what ffmpeg, PyAV or the system raised.

    Returns:
        One line without the path.
    """
    for kind, reason in _OF_FFMPEG:
        if isinstance(error, kind):
            return reason
    if isinstance(error, MemoryError):
        return NEEDS_MEMORY
    if isinstance(error, OSError | av.error.FFmpegError):
        return _reason_of_number(path, error.errno or 0)
    said = (str(error) or type(error).__name__).splitlines()[0]
    return f"cannot be decoded: {said}"


def _reason_of_number(path: Path, number: int) -> str:
    # Many a demuxer says -1 of damage, which the system reads as a lack of permission.
    if number == errno.EPERM and os.access(path, os.R_OK):
        return _DAMAGED
    if number in _OF_SYSTEM:
        return _OF_SYSTEM[number]
    if number in _BORROWED or number not in errno.errorcode:
        return _DAMAGED
    return f"the disk or share does not give it: {os.strerror(number)}"
