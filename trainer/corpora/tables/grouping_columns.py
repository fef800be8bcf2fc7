"""Columns of a rating table that divide its clips, such as the culture of makers or raters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from trainer.corpora.tables.csv_tables import CsvRow

MOST_GROUPINGS: Final = 20
MOST_GROUP_VALUES: Final = 50
_LONGEST_NAME: Final = 64
_LONGEST_VALUE: Final = 100


class GroupingColumns(NamedTuple):
    """The value of every row in each column that is kept, and a note that names them, if any."""

    columns: dict[str, tuple[str, ...]]
    notes: list[str]


def grouping_columns(rows: Sequence[CsvRow], names: Iterable[str]) -> GroupingColumns:
    """Keep the named columns that have from 2 to 50 short values; an empty cell has none.

    Others, such as titles or comments, divide nothing. A table may come from anybody, so names,
    values and columns are bounded.
    """
    columns: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys(names):
        values = tuple(row.cells.get(name, "").strip() for row in rows)
        if len(columns) < MOST_GROUPINGS and _divides(name, values):
            columns[name] = values
    told = ", ".join(f"{name} ({len({*values} - {''})} values)" for name, values in columns.items())
    return GroupingColumns(columns, [f"for evaluate --by: {told}"] if told else [])


def _divides(name: str, values: Sequence[str]) -> bool:
    # Every table has columns of these two names.
    if name in {"corpus", "kind"} or not name.isprintable() or len(name) > _LONGEST_NAME:
        return False
    if not 2 <= len({*values} - {""}) <= MOST_GROUP_VALUES:  # noqa: PLR2004 - one divides nothing
        return False
    return all(each.isprintable() and len(each) <= _LONGEST_VALUE for each in values)
