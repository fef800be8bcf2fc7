"""The figures of the benchmarks, and the one table that shows them."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS: Final = ("what", "of", "unit", "median", "least to most", "beside")


class Figure(NamedTuple):
    """Something measured one or more times.

    Attributes:
        what: is measured.
        of: which program, or which library.
        unit: of the values.
        values: one for each time.
        beside: how it compares with another figure; empty if that is the same at a smaller size.
        size: of the library, in files or sounds; None if there is none.
    """

    what: str
    of: str
    unit: str
    values: list[float]
    beside: str = ""
    size: int | None = None

    @property
    def median(self) -> float:
        """The median of the values."""
        return statistics.median(self.values)


def table(figures: list[Figure]) -> Iterator[str]:
    """Yield the lines of a table in Markdown, each size beside the next smaller one."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "| --- | --- | --- | ---: | ---: | --- |"
    order = {key: place for place, key in enumerate(dict.fromkeys(map(_key, figures)))}
    before: Figure | None = None
    for figure in sorted(figures, key=lambda figure: order[_key(figure)]):
        is_next = before is not None and figure.size and _key(before) == _key(figure)
        beside = figure.beside or (_growth(before, figure) if before and is_next else "")
        least, most = min(figure.values), max(figure.values)
        spread = "" if least == most else f"{number(least)} to {number(most)}"
        cells = figure.what, figure.of, figure.unit, number(figure.median), spread, beside
        yield f"| {' | '.join(cells)} |"
        before = figure


def _key(figure: Figure) -> tuple[str, ...]:
    """Return what is the same of one figure at every size."""
    return (figure.what, figure.unit) if figure.size else (figure.what,)


def number(value: float) -> str:
    """Return a value with three digits that count, without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3}f}"


def _growth(before: Figure, now: Figure) -> str:
    if not (before.size and now.size and before.median and now.median):
        return ""
    times = f"{number(now.median / before.median)} times"
    return f"{times} for {now.size / before.size:.0f} times as many"
