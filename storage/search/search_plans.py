"""Plans: the ways in which SQLite can reach the rows of a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from storage.search.demands import all_of
from storage.search.found_rows import COLUMNS
from storage.search.orders import INDEXES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.search.demands import Clause, Demands
    from storage.search.orders import Order

# SQLite visits the tables of a CROSS JOIN in this order.
_FROM_FILES: Final = (
    "FROM directories AS d CROSS JOIN clips AS c ON c.directory_id = d.id"
    " CROSS JOIN predictions AS p ON p.sound_id = c.sound_id"
)
_FROM_SOUNDS: Final = (
    "FROM predictions AS p{} CROSS JOIN clips AS c ON c.sound_id = p.sound_id"
    " CROSS JOIN directories AS d ON d.id = c.directory_id"
)
_FROM_NUMBERS: Final = {
    "files": (
        "FROM json_each(?) AS number CROSS JOIN clips AS c ON c.id = number.value"
        " CROSS JOIN directories AS d ON d.id = c.directory_id"
        " CROSS JOIN predictions AS p ON p.sound_id = c.sound_id"
    ),
    "sounds": (
        "FROM json_each(?) AS number CROSS JOIN predictions AS p ON p.sound_id = number.value"
        " CROSS JOIN clips AS c ON c.sound_id = p.sound_id"
        " CROSS JOIN directories AS d ON d.id = c.directory_id"
    ),
}


_BY_AROUSAL: Final = INDEXES["shown_arousal"]


class Plan(NamedTuple):
    """A way to the rows of a query: a name for people, the statement, and its values."""

    name: str
    sql: str
    values: tuple[Any, ...]


def from_sounds(
    name: str, demands: Demands, order: Order, limit: int | None, *, by: str | None = None
) -> Plan:
    """Return the plan that visits sounds by the index of a column, or all of them, and sorts."""
    source = _FROM_SOUNDS.format(f" INDEXED BY {INDEXES[by]}" if by else "")
    return _plan(name, source, [*demands.sounds, *demands.files], order, limit)


def from_files(name: str, demands: Demands, order: Order, limit: int | None) -> Plan:
    """Return the plan that visits files by folder and name."""
    conditions = [*demands.folders, *demands.files, *demands.sounds]
    return _plan(name, _FROM_FILES, conditions, order, limit)


def from_first_folders(demands: Demands, order: Order, limit: int) -> Plan:
    """Return the plan that finds the first folders with sounds that match, and sorts what is there.

    Two indexes tell these, so no row is read of sounds elsewhere. If files are missing, the plan
    may lead to fewer rows than there are.
    """
    where, files = all_of(demands.sounds), all_of(demands.files)
    down = " DESC" if order.is_down else ""
    sql = (
        "WITH found AS MATERIALIZED ("  # noqa: S608 - parts of ours
        f"SELECT c.id AS file, c.directory_id FROM predictions AS p INDEXED BY {_BY_AROUSAL}"
        f" CROSS JOIN clips AS c INDEXED BY clips_by_sound ON c.sound_id = p.sound_id"
        f" WHERE {where.sql}), first AS MATERIALIZED ("
        "SELECT d.id FROM (SELECT DISTINCT directory_id FROM found) CROSS JOIN directories AS d"
        f" ON d.id = directory_id ORDER BY d.path{down} LIMIT ?)"
        f" SELECT {COLUMNS} FROM found JOIN first ON first.id = found.directory_id"
        " CROSS JOIN clips AS c ON c.id = found.file"
        " CROSS JOIN directories AS d ON d.id = c.directory_id"
        " CROSS JOIN predictions AS p ON p.sound_id = c.sound_id"
        f" WHERE {files.sql} ORDER BY {order.clause.sql} LIMIT ?"
    )
    values = (*where.values, limit, *files.values, *order.clause.values, limit)
    return Plan("first folders", sql, values)


def from_numbers(
    name: str, of: str, numbers: Sequence[int], demands: Demands, order: Order, limit: int | None
) -> Plan:
    """Return the plan that visits the `files` or `sounds` with some numbers, and sorts."""
    plan = _plan(name, _FROM_NUMBERS[of], [*demands.files, *demands.sounds], order, limit)
    return plan._replace(values=(f"[{','.join(map(str, numbers))}]", *plan.values))


def _plan(
    name: str, source: str, conditions: Sequence[Clause], order: Order, limit: int | None
) -> Plan:
    where = all_of(conditions)
    sql = f"SELECT {COLUMNS} {source} WHERE {where.sql} ORDER BY {order.clause.sql}"
    values = where.values + order.clause.values
    if limit is None:
        return Plan(name, sql, values)
    return Plan(name, f"{sql} LIMIT ?", (*values, limit))
