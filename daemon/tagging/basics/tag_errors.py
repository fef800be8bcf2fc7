"""Why a file's tags are left alone, in words for the user."""

from __future__ import annotations

import errno
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_SCHEME: Final = "no tags are written into files of this kind; kept in the catalogue only"

DAMAGED_TAGS: Final = "its present tags cannot be read; save them again with a tag editor"

LARGE_TAGS: Final = "its tags are larger than 64 MiB; remove pictures, or save the tags again"

MANY_TAGS: Final = "it has far more tags than any file; save the tags again with a tag editor"

MANY_CHUNKS: Final = "it holds more than 10000 chunks; copy the sound into a new file"

MANY_FRAMES: Final = "its ID3 tag has more than 10000 frames; save the tags again with a tag editor"

EXPANDING_TAGS: Final = "a compressed tag of it unpacks to more than 16 MiB; remove that tag"

NESTED_TAGS: Final = "its parts are nested too deeply to be read; the file is left alone"

LONG_VALUES: Final = "our own keys hold more text than we ever write; remove them with a tagger"

MUCH_TO_REWRITE: Final = "too much of it would have to be rewritten; kept in the catalogue only"

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


class Unproven(TagsRefused):
    """A copy was made, but is not what was wanted; it was thrown away."""


@contextmanager
def damage_refused() -> Iterator[None]:
    """Refuse a file whose bytes lead a parser out of bounds.

    Raises:
        TagsRefused: in place of what the parser raised.
    """
    try:
        yield
    except RecursionError as error:
        raise TagsRefused(NESTED_TAGS) from error
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise TagsRefused("it is cut short or damaged; the file is left alone") from error


_PERMANENT = {
    errno.EACCES: "no permission to write in its folder; kept in the catalogue only",
    errno.EPERM: "the file or folder is immutable or of another owner; kept in the catalogue only",
    errno.ELOOP: "it is a symbolic link, or one in a circle; tags are written into files only",
    errno.ENOENT: "it is no longer there",
    errno.ENOTDIR: "a folder of its path is a symbolic link now, or no folder; it is left alone",
    errno.EISDIR: "it is a folder",
    errno.ENAMETOOLONG: "its name or path is too long; shorten it",
    errno.EFBIG: "it would be larger than its file system allows",
}
_TEMPORARY = {
    errno.EROFS: READ_ONLY,
    errno.ENOSPC: "no room on its disk for a copy; free some space",
    errno.EDQUOT: "its disk quota is used up; free some space",
    errno.EIO: "its disk reports an input or output error; check the disk",
    errno.ETXTBSY: "it is being executed; tried again later",
    errno.ESTALE: "its network folder went away; tried again later",
    errno.EMFILE: "too many files are open; tried again later",
    errno.ENFILE: "too many files are open; tried again later",
}


def refusal_of(error: OSError) -> TagsRefused:
    """Return in one line what the operating system refused."""
    number = error.errno or 0
    if number in _PERMANENT:
        return TagsRefused(_PERMANENT[number])
    unknown = f"the system refused to write it ({error.strerror or error})"
    return TagsRefused(_TEMPORARY.get(number, unknown), retry=True)
