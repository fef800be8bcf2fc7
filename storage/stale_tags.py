"""Which files' tags no longer say what the catalogue says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, or_, select, update

from storage.database.sessions import in_lots
from storage.schema.tables import below, clips
from storage.schema.views import felt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from sqlalchemy.engine import Connection, Engine


def demand_tags(connection: Connection, identities: Iterable[str], *, step: int) -> int:
    """Have tags written again that differ by a step, within the transaction that moved the values.

    Args:
        connection: in a transaction.
        identities: the sounds whose values have changed.
        step: the least difference in either value that is worth a write, in hundredths.

    Returns:
        How many files it concerns. Files that are gone, or whose tags are off, are left alone.
    """
    count = 0
    for some in in_lots(sorted(identities)):
        distances = [
            func.abs(100.0 * felt.c[name] - clips.c[f"tagged_{name}"]) >= step - 0.5
            for name in ("arousal", "valence")
        ]
        moved = (
            select(clips.c.id)
            .join(felt, felt.c.identity == clips.c.identity)
            .where(
                clips.c.identity.in_(some),
                clips.c.tag_state == "written",
                clips.c.missing_since.is_(None),
                or_(clips.c.tagged_arousal.is_(None), *distances),
            )
        )
        count += connection.execute(
            update(clips).where(clips.c.id.in_(moved)).values(tag_state="pending", tag_reason=None)
        ).rowcount
    return count


def retry_tags(
    engine: Engine, wanted: Callable[[Path], bool], *, but: str, under: Path | None = None
) -> int:
    """Have tags tried again that could not be written so far; return of how many files.

    Args:
        engine: of a catalogue.
        wanted: tells whether there shall be tags at a path.
        but: a reason that no second try overcomes.
        under: a file or folder; everything if None.
    """
    failed = clips.c.tag_state.in_(["pending", "not written"]) & (clips.c.tag_reason != but)
    failed &= clips.c.missing_since.is_(None)
    if under is not None:
        failed &= (clips.c.path == under) | below(clips.c.path, under)
    due = {"tag_state": "pending", "tag_reason": None}
    with engine.begin() as connection:
        rows = connection.execute(select(clips.c.id, clips.c.path).where(failed))
        numbers = [row.id for row in rows if wanted(row.path)]
        for some in in_lots(numbers):
            connection.execute(update(clips).where(clips.c.id.in_(some)).values(due))
    return len(numbers)
