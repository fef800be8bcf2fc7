"""Stores the sketches of feature vectors, many in a row, to be read all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select, update

from storage.database.sessions import CataloguePart, batches
from storage.schema.numbers import label_number
from storage.schema.tables import hearings, labels, sketch_state, sketches, unsketched
from storage.schema.upserts import upsert

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

BLOCK: Final = 4096
"""Sounds in a row: half a megabyte."""


class SketchStore(CataloguePart):
    """The sketches of one catalogue, all by one bundle."""

    def begin(self, bundle: str) -> None:
        """Drop the sketches if they are by another bundle."""
        with self.engine.begin() as connection:
            own = label_number(connection, bundle)
            if connection.execute(select(sketch_state.c.bundle)).scalar() != own:
                connection.execute(delete(sketches))
                connection.execute(delete(unsketched))
                connection.execute(update(sketch_state).values(bundle=own, up_to=0))

    def missing(self, feature_settings: str, size: int) -> list[tuple[int, bytes]]:
        """Return number and packed vector of the next sounds without a sketch."""
        number = select(labels.c.id).where(labels.c.label == feature_settings).scalar_subquery()
        last = select(sketch_state.c.up_to).scalar_subquery()
        is_new = hearings.c.sound_id > last
        is_heard_again = hearings.c.sound_id.in_(select(unsketched.c.sound_id))
        found: list[tuple[int, bytes]] = []
        for condition in (is_heard_again, is_new):
            statement = (
                select(hearings.c.sound_id, hearings.c.vector)
                .where(condition, hearings.c.settings == number)
                .order_by(hearings.c.sound_id)
                .limit(size)
            )
            found = found or [tuple(row) for row in self._rows(statement)]
        return found

    def put(self, made: Mapping[int, bytes], seen: Collection[int]) -> None:
        """Add sketches, all of one length, by the number of the sound.

        Args:
            made: the sketches.
            seen: the sounds that they were made of, and those that none could be made of.
        """
        with self.engine.begin() as connection:
            for block in sorted({number // BLOCK for number in made}):
                stored = select(sketches.c.sketches).where(sketches.c.block == block)
                content = bytearray(connection.execute(stored).scalar() or b"")
                for number, one in made.items():
                    if number // BLOCK == block:
                        start = number % BLOCK * len(one)
                        content.extend(bytes(max(0, start + len(one) - len(content))))
                        content[start : start + len(one)] = one
                row = upsert(sketches).values(block=block, sketches=bytes(content))
                changed = {"sketches": row.excluded.sketches}
                connection.execute(
                    row.on_conflict_do_update(index_elements=["block"], set_=changed)
                )
            last = max(seen)
            connection.execute(
                update(sketch_state).where(sketch_state.c.up_to < last).values(up_to=last)
            )
            for batch in batches(seen):
                done = unsketched.c.sound_id.in_(batch)
                connection.execute(delete(unsketched).where(done))

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Yield the number of the first sound of each block, and its sketches one after another.

        A sound without a sketch has zeros.
        """
        for row in self._rows(select(sketches.c.block).order_by(sketches.c.block)):
            own = sketches.c.block == row.block
            content = self._value(select(sketches.c.sketches).where(own))
            if content is not None:
                yield row.block * BLOCK, content

    def vectors(self, sounds: Sequence[int], feature_settings: str) -> dict[int, bytes]:
        """Return the packed vectors of some sounds, as far as they have these settings."""
        number = select(labels.c.id).where(labels.c.label == feature_settings).scalar_subquery()
        found: dict[int, bytes] = {}
        for batch in batches(sounds):
            some = hearings.c.sound_id.in_(batch) & (hearings.c.settings == number)
            rows = self._rows(select(hearings.c.sound_id, hearings.c.vector).where(some))
            found |= {row.sound_id: row.vector for row in rows}
        return found
