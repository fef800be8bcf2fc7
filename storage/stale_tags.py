"""Marks the files whose tags no longer hold the catalogue's values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, or_, select, update

from storage.database.sessions import batches
from storage.schema.tables import clips
from storage.schema.views import felt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

TAGS_DUE: Final = {"tag_state": "pending", "tag_reason": None, "tag_tries": 0}


def mark_stale(connection: Connection, identities: Iterable[str], *, step: int) -> None:
    """Mark the tags of sounds as pending where the values have moved by at least a step.

    Files that are missing, or whose tags are off, are left alone.

    Args:
        connection: in the transaction that changes the values.
        identities: the sounds whose values have changed.
        step: in hundredths.
    """
    distances = [
        func.abs(100.0 * felt.c[name] - clips.c[f"tagged_{name}"]) >= step - 0.5
        for name in ("arousal", "valence")
    ]
    for batch in batches(sorted(identities)):
        moved = (
            select(clips.c.id)
            .join(felt, felt.c.identity == clips.c.identity)
            .where(
                clips.c.identity.in_(batch),
                clips.c.tag_state == "written",
                clips.c.missing_since.is_(None),
                or_(clips.c.tagged_arousal.is_(None), *distances),
            )
        )
        connection.execute(update(clips).where(clips.c.id.in_(moved)).values(TAGS_DUE))
