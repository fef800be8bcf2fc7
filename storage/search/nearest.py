"""Finds the sounds nearest to a point, by way of ever larger squares around it."""

from __future__ import annotations

from math import ceil, hypot
from typing import TYPE_CHECKING, Any, Final

from storage.schema.column_formats import MILLION
from storage.search.demands import Clause, Span, all_of
from storage.search.found_rows import AROUSAL, VALENCE
from storage.search.orders import INDEXES, distance_from
from storage.search.search_plans import from_sounds

if TYPE_CHECKING:
    from storage.search.demands import Demands
    from storage.search.lookups import Lookups
    from storage.search.orders import Order

    Row = tuple[Any, ...]

FIRST_REACH: Final = 4_000
"""Half the side of the first square around a point that may match, in millionths."""

_AXES: Final = ("shown_arousal", "shown_valence")


def nearest(
    lookups: Lookups, demands: Demands, order: Order, near: tuple[float, float], limit: int
) -> list[Row]:
    """Return the nearest rows: search ever larger squares, until a circle in one holds enough."""
    point = [round(MILLION * value) for value in near]
    # Nothing that matches is closer.
    closest = ceil(
        hypot(*(_gap(at, demands.spans.get(axis)) for axis, at in zip(_AXES, point, strict=True)))
    )
    more = FIRST_REACH
    while True:
        reach = closest + more
        square = {axis: Span(at - reach, at + reach) for axis, at in zip(_AXES, point, strict=True)}
        closer = demands.within(square)
        # The index by arousal has all other conditions, too.
        axes = _AXES if not closer.others and len(closer.spans) == len(_AXES) else _AXES[:1]
        by = min(axes, key=lambda axis: closer.spans[axis].high - closer.spans[axis].low)
        is_last = reach > 2 * MILLION
        if is_last or lookups.has_as_many(closer, limit, by):
            closer = _closest(lookups, closer, distance_from(near), limit, by)
            name = f"nearest within {reach / MILLION:g}"
            rows = lookups.read(from_sounds(name, closer, order, limit, by=by))
            in_circle = rows and _squared_distance(rows[-1], point) <= reach * reach
            if is_last or (len(rows) == limit and in_circle):
                return rows
        more *= 2


def _gap(at: int, span: Span | None) -> int:
    """Return how far a number is from a span."""
    return 0 if span is None else max(span.low - at, at - span.high, 0)


def _closest(lookups: Lookups, demands: Demands, distance: Clause, limit: int, by: str) -> Demands:
    """Add how far the last of the nearest sounds is, which the index alone tells.

    Not if a folder or a text is wanted, which only the table of files tells.
    """
    if demands.are_files_chosen:
        return demands
    where = all_of(demands.sounds)
    last = lookups.plain.execute(
        f"SELECT {distance.sql} FROM predictions AS p INDEXED BY {INDEXES[by]}"  # noqa: S608
        f" WHERE {where.sql} ORDER BY 1 LIMIT 1 OFFSET ?",
        # One more, since a file may be left out.
        (*distance.values, *where.values, limit),
    ).fetchone()
    if last is None:
        return demands
    return demands.also(Clause(f"{distance.sql} <= ?", (*distance.values, *last)))


def _squared_distance(row: Row, point: list[int]) -> int:
    distance: int = (row[AROUSAL] - point[0]) ** 2 + (row[VALENCE] - point[1]) ** 2
    return distance
