"""When the tags of a file are given up that workers fail at again and again.

The tries of a clip are in the catalogue, and counted before each: a file that ends its worker, or
even the service, is not tried for ever, whatever is started again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from config.errors import ValencedError
from storage.schema.records import TagOutcome, TagState

if TYPE_CHECKING:
    from collections.abc import Callable

    from storage.schema.records import Clip
    from storage.tag_journal import TagJournal

MOST_TAG_TRIES = 6
"""How often a worker may fail at a file's tags; it gets one try at each comparison of folders."""

STOPPED_EACH_TIME = "the service stopped during each attempt"


def tried(
    journal: TagJournal, clip: Clip, write: Callable[[], TagOutcome | None]
) -> TagOutcome | None:
    """Write the tags of a clip, unless its tries are used up.

    Raises:
        ValencedError: as `write`; something that is not the file's fault, so no try of it.
    """
    if clip.tag_tries >= MOST_TAG_TRIES:
        is_known = clip.tag_state is TagState.NOT_WRITTEN
        reason = clip.tag_reason if is_known else STOPPED_EACH_TIME
        return TagOutcome(TagState.NOT_WRITTEN, reason, is_try=True)
    journal.count_tries(clip, clip.tag_tries + 1)
    try:
        outcome = write()
    except ValencedError:
        with suppress(ValencedError):
            journal.count_tries(clip, clip.tag_tries)
        raise
    if outcome is None or not outcome.is_try or clip.tag_tries + 1 < MOST_TAG_TRIES:
        return outcome
    reason = f"given up after {MOST_TAG_TRIES} tries: {outcome.reason}"
    return replace(outcome, state=TagState.NOT_WRITTEN, reason=reason)
