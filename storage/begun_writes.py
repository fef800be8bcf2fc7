"""Writes of tags that have begun, so that clean-up finishes an interrupted one."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import delete, insert, select

from storage.database.sessions import CataloguePart
from storage.schema.records import BegunWrite
from storage.schema.tables import begun_writes
from storage.schema.upserts import upsert


class BegunWrites(CataloguePart):
    """The begun writes of one catalogue."""

    def begin(self, note: BegunWrite) -> str | None:
        """Note a write in place, unless an earlier one into the same file was interrupted.

        Returns:
            The name of the earlier one's rescue copy, None if the write is noted.
        """
        columns = begun_writes.c
        same_file = (columns.device == note.device) & (columns.inode == note.inode)
        is_in_place = columns.rescue.endswith(Path(note.rescue).suffix)
        earlier = select(columns.rescue).where(same_file, is_in_place, columns.trouble.is_(None))
        with self.engine.begin() as connection:
            name: str | None = connection.execute(earlier).scalar()
            if name is None:
                connection.execute(insert(begun_writes).values(vars(note)))
        return name

    def keep(self, note: BegunWrite) -> None:
        """Note a write, or update where its copy is and why it is kept."""
        values = vars(note)
        statement = upsert(begun_writes).values(values)
        self._write(statement.on_conflict_do_update(index_elements=["rescue"], set_=values))

    def finish(self, rescue: str) -> None:
        """Forget a write whose copy is gone or in place."""
        self._write(delete(begun_writes).where(begun_writes.c.rescue == rescue))

    def all(self) -> list[BegunWrite]:
        """Return every write that is noted, in the order of their files."""
        rows = self._rows(select(begun_writes).order_by(begun_writes.c.path))
        return [BegunWrite(*row) for row in rows]
