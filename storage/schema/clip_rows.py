"""Reads the table of clips: whole rows with their texts, and the conditions that find them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, String, and_, bindparam, false, literal, or_, select

from storage.schema.column_types import NameText, PathText
from storage.schema.tables import clips, directories, identities, labels

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlalchemy import BindParameter, ColumnElement, Select

FEW: Final = 16
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


def place_of(path: Path) -> dict[str, str]:
    """Return the parameters of `IS_THERE` for a path."""
    folder, name = parts_of(path)
    return {"folder": folder, "file": name}


def is_at(path: Path) -> ColumnElement[bool]:
    """Return the condition that a clip has this path."""
    folder, name = parts_of(path)
    return is_named(literal(folder, NameText), literal(name, NameText))


def is_named(folder: ColumnElement[str], name: ColumnElement[str]) -> ColumnElement[bool]:
    """Return the condition that a clip has this name in a folder, given with its slash."""
    own = select(directories.c.id).where(directories.c.path == folder).scalar_subquery()
    return and_(clips.c.directory_id == own, clips.c.name == name)


IS_THERE: Final = is_named(bindparam("folder", type_=NameText), bindparam("file", type_=NameText))
"""The condition that a clip has the path of some parameters."""

CLIP_THERE: Final = CLIPS.where(IS_THERE)


def is_below(folder: Path) -> ColumnElement[bool]:
    """Return the condition that a clip lies anywhere below a folder."""
    start = str(folder).rstrip("/")
    first, end = literal(start + "/", NameText), literal(start + "0", NameText)
    within = (directories.c.path >= first) & (directories.c.path < end)
    return clips.c.directory_id.in_(select(directories.c.id).where(within))


def is_within(folders: Iterable[Path]) -> ColumnElement[bool]:
    """Return the condition that a clip is at or anywhere below one of some paths."""
    return or_(false(), *(is_at(folder) | is_below(folder) for folder in folders))


def has_identity(identity: str | BindParameter[str]) -> ColumnElement[bool]:
    """Return the condition that a clip has this sound."""
    return and_(clips.c.sound_id == sound_with(identity))


def sound_with(identity: str | BindParameter[str]) -> Any:
    """Return the number of a sound, as part of a statement."""
    return select(identities.c.id).where(identities.c.identity == identity).scalar_subquery()


def _likely_origins() -> Select[Any]:
    size, mtime_ns, inode = (
        clips.c[name] == bindparam(f"new_{name}", type_=BigInteger)
        for name in ("size", "mtime_ns", "inode")
    )
    likeliest = (size & mtime_ns).desc(), inode.desc(), clips.c.missing_since.is_(None)
    return (
        CLIPS.where(has_identity(bindparam("identity", type_=String)))
        .order_by(*likeliest)
        .limit(FEW)
    )


LIKELY_ORIGINS: Final = _likely_origins()
WITH_INODE: Final = CLIPS.where(clips.c.inode == bindparam("inode", type_=BigInteger)).limit(FEW)
