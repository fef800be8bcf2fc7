"""When the tags of a file are left to another program that keeps changing them.

Two services whose catalogues hold different values, a synchronised folder that brings back an older
file, or an editor that removes tags it does not know, would have a file written again for ever.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from daemon.tagging import api

if TYPE_CHECKING:
    from daemon.tagging.basics.keys import Items
    from daemon.tagging.file_history import FileHistory
    from daemon.tagging.tag_parser import TagParser
    from storage.schema.records import Clip

MOST_CONTESTS: Final = 3
"""How often our tags are written again, each time after another program has changed them."""

LONG_AGO: Final = timedelta(days=30)
"""After so long without a write of ours, the next change by others is counted as the first."""

CONTESTED: Final = (
    f"another program has changed valenced's tags {MOST_CONTESTS + 1} times; find it and stop it,"
    " then run: valenced tags write FILE"
)


def is_given_up(clip: Clip, history: FileHistory, parser: TagParser) -> bool:
    """Return whether others have changed the tags of a clip once more than is put up with.

    Raises:
        TagWriteError: the file or its tags cannot be read.
    """
    return clip.tag_contests >= MOST_CONTESTS and is_contested(history, api.read(clip.path, parser))


def is_contested(history: FileHistory, present: Items) -> bool:
    """Return whether the items of ours in a file are not as we left them."""
    left = history.own[0].before.left if history.own else None
    return left is not None and any(present.get(key) != values for key, values in left.items())
