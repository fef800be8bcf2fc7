"""Reads the table of clips: whole rows with their texts, and the conditions that find them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, false, insert, literal, or_, select

from storage.schema.column_types import NameText, PathText
from storage.schema.tables import clips, directories, identities, labels

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlalchemy import Column, ColumnElement, Select, Table
    from sqlalchemy.engine import Connection

PATH: Final = directories.c.path.op("||", return_type=PathText())(clips.c.name).label("path")


def label_of(number: ColumnElement[int]) -> Any:
    """Return the label with a number, as part of a statement."""
    return select(labels.c.label).where(labels.c.id == number).scalar_subquery()


FILES: Final = clips.join(directories, directories.c.id == clips.c.directory_id)
"""Clips with the folders that their paths begin with."""

_TEXTS: Final = {"tagged_bundle", "attributes"}
_OWN: Final = [
    label_of(column).label(column.name) if column.name in _TEXTS else column
    for column in clips.columns
    if column.name not in {"directory_id", "name"}
]
CLIPS: Final[Select[Any]] = select(*_OWN, PATH, identities.c.identity).select_from(
    FILES.join(identities, identities.c.id == clips.c.sound_id)
)
"""The clips, with path, identity and labels in place of their numbers."""


def parts_of(path: Path) -> tuple[str, str]:
    """Return the folder of a path, which ends in a slash, and the name in it."""
    folder, slash, name = str(path).rpartition("/")
    return folder + slash, name


def is_at(path: Path) -> ColumnElement[bool]:
    """Return the condition that a clip has this path."""
    folder, name = parts_of(path)
    return is_named(literal(folder, NameText), literal(name, NameText))


def is_named(folder: ColumnElement[str], name: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition that a clip has this name in a folder, given with its slash."""
    own = select(directories.c.id).where(directories.c.path == folder).scalar_subquery()
    return and_(clips.c.directory_id == own, clips.c.name == name)


def is_below(folder: Path) -> ColumnElement[bool]:
    """Return the condition that a clip lies anywhere below a folder."""
    start = str(folder).rstrip("/")
    first, end = literal(start + "/", NameText), literal(start + "0", NameText)
    within = (directories.c.path >= first) & (directories.c.path < end)
    return clips.c.directory_id.in_(select(directories.c.id).where(within))


def is_within(folders: Iterable[Path]) -> ColumnElement[bool]:
    """Return the condition that a clip is at or anywhere below one of some paths."""
    return or_(false(), *(is_at(folder) | is_below(folder) for folder in folders))


def has_identity(identity: str) -> ColumnElement[bool]:
    """Return the condition that a clip has this sound."""
    return and_(clips.c.sound_id == sound_with(identity))


def sound_with(identity: str) -> Any:
    """Return the number of a sound, as part of a statement."""
    return select(identities.c.id).where(identities.c.identity == identity).scalar_subquery()


def directory_number(connection: Connection, folder: str) -> int:
    """Return the number of a folder, which is added if it is new."""
    return _number(connection, directories, directories.c.path, folder)


def label_number(connection: Connection, label: str) -> int:
    """Return the number of a label, which is added if it is new."""
    return _number(connection, labels, labels.c.label, label)


def sound_number(connection: Connection, identity: str) -> int:
    """Return the number of a sound, which is added if it is new."""
    return _number(connection, identities, identities.c.identity, identity)


def _number(connection: Connection, table: Table, column: Column[str], text: str) -> int:
    found = connection.execute(select(table.c.id).where(column == text)).scalar()
    if found is None:
        added = insert(table).values({column: text}).returning(table.c.id)
        found = connection.execute(added).scalar_one()
    number: int = found
    return number
