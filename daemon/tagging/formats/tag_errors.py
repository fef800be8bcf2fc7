"""Why a file's tags are left alone, in words for its user."""

from __future__ import annotations

import errno
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_SCHEME = "no tag scheme for this container; kept in the catalogue only"

READ_ONLY: Final = "its file system is read-only; kept in the catalogue until it can be written"


class TagsRefused(Exception):
    """This file does not allow a safe edit; nothing was written.

    Args:
        reason: one line fit for the user.
        retry: whether trying again later can succeed with nothing changed by hand.
    """

    def __init__(self, reason: str, *, retry: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry = retry


@contextmanager
def damage_refused() -> Iterator[None]:
    """Refuse a file whose bytes lead a parser out of bounds, whichever bound it was.

    Raises:
        Refused: in place of what the parser raised.
    """
    try:
        yield
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise TagsRefused("it is cut short or damaged; the file is left alone") from error


class _Cause(NamedTuple):
    reason: str
    retry: bool


_CAUSES = {
    errno.EROFS: _Cause(
        READ_ONLY,
        retry=True,
    ),
    errno.EACCES: _Cause(
        "no permission to write in its folder; kept in the catalogue only",
        retry=False,
    ),
    errno.EPERM: _Cause(
        "the file or folder is immutable or of another owner; kept in the catalogue only",
        retry=False,
    ),
    errno.ENOSPC: _Cause("no room on its disk for a copy; free some space", retry=True),
    errno.EDQUOT: _Cause("its disk quota is used up; free some space", retry=True),
    errno.EIO: _Cause("its disk reports an input or output error; check the disk", retry=True),
    errno.ELOOP: _Cause("its symbolic links lead in a circle; remove the link", retry=False),
    errno.ENOENT: _Cause("it is no longer there", retry=False),
    errno.ENOTDIR: _Cause("it is no longer there", retry=False),
    errno.EISDIR: _Cause("it is a folder", retry=False),
    errno.ENAMETOOLONG: _Cause("its name or path is too long; shorten it", retry=False),
    errno.EFBIG: _Cause("it would be larger than its file system allows", retry=False),
    errno.ETXTBSY: _Cause("it is being executed; tried again later", retry=True),
    errno.ESTALE: _Cause("its network folder went away; tried again later", retry=True),
    errno.EMFILE: _Cause("too many files are open; tried again later", retry=True),
    errno.ENFILE: _Cause("too many files are open; tried again later", retry=True),
}


def refusal_of(error: OSError) -> TagsRefused:
    """Return the refusal that says in one line what the operating system objected to."""
    cause = _CAUSES.get(error.errno or 0)
    if cause is None:
        return TagsRefused(
            f"the system refused to write it ({error.strerror or error})", retry=True
        )
    return TagsRefused(cause.reason, retry=cause.retry)
