"""Plain reasons why a sound file cannot be read, and what to do about it.

ffmpeg's own messages are for its developers, and some of its errors are numbers without a name.
"""

from __future__ import annotations

import errno

import av.error

from trainer.audio.sound_file import system_reason
from trainer.trainer_errors import NEEDS_MEMORY

_DAMAGED = "damaged, or not a sound file"
_UNKNOWN_VARIANT = (
    "damaged, or a variant of its format that is not read here; "
    "if it plays elsewhere, convert it, to FLAC for instance"
)

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
    # ffmpeg reports this number also for a file that promises more than it holds.
    errno.EIO: "cut short, or the disk reports a read error",
}

# Demuxers use these numbers for faults of a file; for an open file they would mean nothing. Many
# return -1 for damage, which is also the number of a lack of permission.
_FAULTS_OF_FILES = frozenset(
    {errno.EPERM, errno.EAGAIN, errno.EDOM, errno.ERANGE, errno.EBUSY, errno.ENOSPC}
)


def reason_of(error: Exception) -> str:
    """Returns why an open file cannot be read, in one line without the path.

    Args:
        error: what ffmpeg, PyAV or the system raised.
    """
    for kind, reason in _BY_CLASS.items():
        if isinstance(error, kind):
            return reason
    if not isinstance(error, OSError | av.error.FFmpegError):
        first_line = (str(error) or type(error).__name__).splitlines()[0]
        return f"cannot be decoded: {first_line}"
    number = error.errno or 0
    if number in _BY_NUMBER:
        return _BY_NUMBER[number]
    if number in _FAULTS_OF_FILES or number not in errno.errorcode:
        return _DAMAGED
    return system_reason(OSError(number, ""))
