"""Turns whatever mutagen raises into the reason why a file is left alone."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from daemon.tagging.basics.tag_errors import DAMAGED_TAGS, NESTED_TAGS, TagsRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.tagging.basics.byte_views import ViewFile


@contextmanager
def refusing(file: ViewFile) -> Iterator[None]:
    """Refuse a file that mutagen cannot handle, whatever it raises.

    Raises:
        TagsRefused: in place of what mutagen raised.
        OSError: the operating system failed.
        MemoryError: the memory of this process does not suffice.
    """
    try:
        yield
    except (TagsRefused, MemoryError):
        raise
    except RecursionError as error:
        raise TagsRefused(NESTED_TAGS) from error
    except Exception as error:
        if file.failure is not None:
            raise file.failure from error
        # Damaged tags surface in mutagen as any exception, not only as its own.
        raise TagsRefused(DAMAGED_TAGS) from error
