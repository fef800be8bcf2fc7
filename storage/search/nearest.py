"""Finds the sounds nearest to a point, by way of ever larger squares around it."""

from __future__ import annotations

from math import ceil, hypot, isqrt
from typing import TYPE_CHECKING, Any, Final

from storage.schema.column_formats import MILLION
from storage.search.demands import Span, all_of
from storage.search.found_rows import AROUSAL, VALENCE
from storage.search.orders import AXES, INDEXES, distance_from
from storage.search.search_plans import from_numbers, from_sounds

if TYPE_CHECKING:
    from storage.search.demands import Clause, Demands
    from storage.search.lookups import Lookups
    from storage.search.orders import Order
    from storage.search.search_plans import Plan

    Row = tuple[Any, ...]

FIRST_REACH: Final = 4_000
"""Half the side of the first square around a point that may match, in millionths."""

_EQUALLY_FAR: Final = 500
"""As many sounds may be as far as the last one."""

_COST_OF_ROW: Final = 24
"""How many rows of an index are looked at while one row of the table is read."""


def nearest(
    lookups: Lookups, demands: Demands, order: Order, near: tuple[float, float], limit: int
) -> list[Row]:
    """Return the nearest rows: search ever larger squares, until a circle in one holds enough."""
    point = [round(MILLION * value) for value in near]
    distance = distance_from(near)
    # Nothing that matches is closer.
    closest = ceil(
        hypot(*(_gap(at, demands.spans.get(axis)) for axis, at in zip(AXES, point, strict=True)))
    )
    more = max(FIRST_REACH, closest // 64)
    while True:
        reach = closest + more
        square = {axis: Span(at - reach, at + reach) for axis, at in zip(AXES, point, strict=True)}
        closer = demands.within(square)
        by = _axis(lookups, closer)
        is_last = reach > 2 * MILLION
        more *= 2
        if is_last or lookups.has_as_many(closer, limit, by):
            name = f"nearest within {reach / MILLION:g}"
            rows = lookups.read(_plan(lookups, name, closer, order, distance, limit, by))
            if is_last:
                return rows
            if len(rows) == limit:
                farthest = _distance(rows[-1], point)
                if farthest <= reach:
                    return rows
                # A corner of the square is farther than its sides: nothing nearer is beyond this.
                more = farthest - closest


def _axis(lookups: Lookups, demands: Demands) -> str:
    """Return the axis whose index has the fewest rows to look at.

    That of arousal has the columns of all other conditions, too; beside the other rows are read.
    """
    arousal, valence = (lookups.about(axis, demands.spans[axis]) for axis in AXES)
    if demands.others or len(demands.spans) > len(AXES):
        read = valence * arousal / lookups.about(AXES[0], Span())
        valence += round(_COST_OF_ROW * read)
    return AXES[0] if arousal <= valence else AXES[1]


def _gap(at: int, span: Span | None) -> int:
    """Return how far a number is from a span."""
    return 0 if span is None else max(span.low - at, at - span.high, 0)


def _plan(
    lookups: Lookups,
    name: str,
    demands: Demands,
    order: Order,
    distance: Clause,
    limit: int,
    by: str,
) -> Plan:
    """Return the plan for the nearest sounds, of which the index tells the numbers.

    Not if a folder or a text is wanted, which only the table of files tells, nor if very many
    are equally far.
    """
    if not demands.are_files_chosen:
        # One of them may be the file that is left out.
        most = limit + 1
        where = all_of(demands.sounds)
        found = lookups.plain.execute(
            f"SELECT p.sound_id, {distance.sql} AS distance"  # noqa: S608
            f" FROM predictions AS p INDEXED BY {INDEXES[by]}"
            f" WHERE {where.sql} ORDER BY distance LIMIT ?",
            (*distance.values, *where.values, most + _EQUALLY_FAR),
        ).fetchall()
        if len(found) < most + _EQUALLY_FAR or found[most - 1][1] < found[-1][1]:
            numbers = [number for number, far in found if far <= found[:most][-1][1]]
            return from_numbers(name, "sounds", numbers, demands, order, limit)
    return from_sounds(name, demands, order, limit, by=by)


def _distance(row: Row, point: list[int]) -> int:
    """Return the distance of a row from a point, rounded up."""
    squared: int = (row[AROUSAL] - point[0]) ** 2 + (row[VALENCE] - point[1]) ** 2
    return isqrt(squared - 1) + 1 if squared else 0
