"""The numbers that stand in rows for texts: identities of sounds, folders, labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import bindparam, insert, select

from storage.schema.tables import directories, identities, labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

_COLUMNS: Final = {
    "sound": identities.c.identity,
    "folder": directories.c.path,
    "settings": labels.c.label,
    "bundle": labels.c.label,
    "attributes": labels.c.label,
}
_FIND: Final = select(
    *(
        select(column.table.c.id)
        .where(column == bindparam(f"of_{name}", type_=column.type))
        .scalar_subquery()
        .label(name)
        for name, column in _COLUMNS.items()
    )
)
_ADD: Final = {
    name: insert(column.table)
    .values({column: bindparam("text", type_=column.type)})
    .returning(column.table.c.id)
    for name, column in _COLUMNS.items()
}
_NONE: Final = dict.fromkeys(f"of_{name}" for name in _COLUMNS)


class Numbers(NamedTuple):
    """The numbers of some texts.

    Attributes:
        of: the number of each, by the name of its use.
        added: the names of those that were new.
    """

    of: Mapping[str, int]
    added: frozenset[str]


def numbers_of(connection: Connection, **texts: str) -> Numbers:
    """Return the numbers of texts, all found by one statement; those that are new are added.

    Args:
        connection: in a transaction.
        **texts: an identity as `sound`, a path that ends in a slash as `folder`, and labels as
            `settings`, `bundle` and `attributes`; the same text as two labels only if it is known.
    """
    if not texts:
        return Numbers({}, frozenset())
    wanted = _NONE | {f"of_{name}": text for name, text in texts.items()}
    found = connection.execute(_FIND, wanted).mappings().one()
    of: dict[str, int] = {}
    added = set()
    for name, text in texts.items():
        number = found[name]
        if number is None:
            number = connection.execute(_ADD[name], {"text": text}).scalar_one()
            added.add(name)
        of[name] = number
    return Numbers(of, frozenset(added))


def label_number(connection: Connection, label: str) -> int:
    """Return the number of a label, which is added if it is new."""
    return numbers_of(connection, bundle=label).of["bundle"]
