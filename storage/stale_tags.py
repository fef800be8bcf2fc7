"""Marks the files whose tags no longer hold the catalogue's values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Integer, func, or_, select, type_coerce, update

from storage.database.sessions import batches
from storage.schema.tables import clips, predictions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

TEN_THOUSAND: Final = 10_000
"""Millionths in a hundredth, which tags are in."""

TAGS_DUE: Final = {"tag_state": "pending", "tag_reason": None, "tag_tries": 0}


def mark_stale(connection: Connection, sounds: Iterable[int], *, step: int) -> None:
    """Mark the tags of sounds as pending where the values have moved by at least a step.

    Files that are missing, or whose tags are off, are left alone.

    Args:
        connection: in the transaction that changes the values.
        sounds: the numbers of those whose values have changed.
        step: in hundredths.
    """
    distances = [
        func.abs(
            type_coerce(predictions.c[f"shown_{name}"], Integer)
            - TEN_THOUSAND * clips.c[f"tagged_{name}"]
        )
        >= TEN_THOUSAND * (step - 0.5)
        for name in ("arousal", "valence")
    ]
    for batch in batches(sorted(sounds)):
        moved = (
            select(clips.c.id)
            .join(predictions, predictions.c.sound_id == clips.c.sound_id)
            .where(
                clips.c.sound_id.in_(batch),
                clips.c.tag_state == "written",
                clips.c.missing_since.is_(None),
                or_(clips.c.tagged_arousal.is_(None), *distances),
            )
        )
        connection.execute(update(clips).where(clips.c.id.in_(moved)).values(TAGS_DUE))
