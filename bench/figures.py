"""The figures of the benchmarks, and the one table that shows them side by side."""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Figure(NamedTuple):
    """Something measured one or more times.

    Attributes:
        group: a part of the table, in which the same programs or sizes stand side by side.
        of: which program, number of cores or size of a library; heads a column in the group.
        what: is measured.
        unit: of the values.
        values: one for each time.
        beside: how it compares with another figure of the row; empty where `size` tells that.
        size: of the library, in files or sounds; None if there is none.
    """

    group: str
    of: str
    what: str
    unit: str
    values: list[float]
    beside: str = ""
    size: int | None = None

    @property
    def median(self) -> float:
        """The median of the values."""
        return statistics.median(self.values)

    @property
    def text(self) -> str:
        """The median, and the least and the most where they differ."""
        median, least, most = map(number, (self.median, min(self.values), max(self.values)))
        return median if least == most else f"{median} ({least} to {most})"


def table(figures: list[Figure]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    groups: dict[str, list[Figure]] = {}
    for figure in figures:
        groups.setdefault(figure.group, []).append(figure)
    columns = {group: list(dict.fromkeys(one.of for one in own)) for group, own in groups.items()}
    width = max(map(len, columns.values()), default=0)
    yield _line(["what", "unit", *[""] * width, "growth, and what to compare"])
    yield _line(["---", "---", *["---:"] * width, "---"])
    for group, own in groups.items():
        heads = columns[group]
        yield _line([f"**{group}**", "", *heads, *[""] * (width + 1 - len(heads))])
        for what, unit in dict.fromkeys((one.what, one.unit) for one in own):
            row = [one for one in own if (one.what, one.unit) == (what, unit)]
            texts = {one.of: one.text for one in row}
            cells = [texts.get(head, "") for head in heads]
            yield _line([what, unit, *cells, *[""] * (width - len(heads)), _beside(row)])


def number(value: float) -> str:
    """Return a value with three digits that count, without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3}f}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _beside(row: list[Figure]) -> str:
    """Return what the figures of a row say about each other; of sizes, how they grow."""
    said = [one.beside for one in row if one.beside]
    grown = [
        number(after.median / before.median)
        for before, after in pairwise(row)
        if before.size and after.size and before.median and after.median
    ]
    return "; ".join([*said, *(f"{times} times" for times in grown)])
