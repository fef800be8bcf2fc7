"""Writes of tags that have begun, so that clean-up finishes an interrupted one."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Final

from sqlalchemy import bindparam, delete, insert, select

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
        self._execute(_KEEP, vars(note))

    def finish(self, rescue: str) -> None:
        """Forget a write whose copy is gone or in place."""
        self._execute(_FINISH, {"own": rescue})

    def all(self) -> list[BegunWrite]:
        """Return every write that is noted, in the order of their files."""
        rows = self._rows(select(begun_writes).order_by(begun_writes.c.path))
        return [BegunWrite(*row) for row in rows]


_KEEP = upsert(begun_writes)
_KEEP = _KEEP.on_conflict_do_update(
    index_elements=["rescue"],
    set_={column.name: _KEEP.excluded[column.name] for column in fields(BegunWrite)},
)
_FINISH: Final = delete(begun_writes).where(
    begun_writes.c.rescue == bindparam("own", type_=begun_writes.c.rescue.type)
)
