"""Finds sounds: chooses for each query the index that leads to few rows, and reads these."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from storage.schema.column_formats import MILLION
from storage.schema.sound_filter import SoundFilter
from storage.search.demands import Clause, Span, all_of, between, demands_of
from storage.search.found_rows import AROUSAL, SOUND_ID, VALENCE, RowReader
from storage.search.orders import BY_PATH, INDEXES, distance_from, order_of
from storage.search.search_plans import Plan, from_files, from_numbers, from_sounds
from storage.search.thresholds import thresholds_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from storage.schema.records import Mood, Sound
    from storage.search.demands import Demands, Thresholds
    from storage.search.orders import Order

    Row = tuple[Any, ...]

FEW: Final = 2_000
"""As many rows are read and sorted within a few milliseconds."""

MANY: Final = 60_000
"""To sort more rows takes longer than to read all files in order."""

FIRST_REACH: Final = 4_000
"""Half the side of the first square that is searched around a point, in millionths."""

BUDGET_STEPS: Final = 1_000_000
"""Steps of SQLite's machine after which a walk in order is given up: some 40 ms."""

_STEPS_AT_ONCE: Final = 1_000


class Finder:
    """Finds sounds in one snapshot of a catalogue.

    Args:
        plain: a connection that returns names as `os.fsdecode` does, within a transaction.
        few: rows that are read and sorted without looking for a better way.
        many: rows that are not sorted to find the first.
        budget: steps of SQLite's machine after which a walk in order is given up.
    """

    def __init__(
        self,
        plain: sqlite3.Connection,
        *,
        few: int = FEW,
        many: int = MANY,
        budget: int = BUDGET_STEPS,
    ) -> None:
        self._plain = plain
        self._few, self._many, self._steps = few, many, budget
        self.plans: list[Plan] = []
        """The plans of the last query, of which the last has led to its rows."""

    def sounds(self, wanted: SoundFilter) -> list[Sound]:
        """Return the sounds that match, in the order of the filter."""
        return self.as_sounds(self.rows(wanted), wanted)

    def as_sounds(self, rows: Iterable[Row], wanted: SoundFilter) -> list[Sound]:
        """Return the sounds in rows, with their moods by the thresholds of a filter."""
        reader = RowReader(self._plain, wanted.thresholds)
        return [reader.sound(row) for row in rows]

    def rows(self, wanted: SoundFilter) -> list[Row]:
        """Return the rows of `COLUMNS` that match, in the order of the filter."""
        self.plans.clear()
        demands = demands_of(wanted, thresholds_of(self._plain, wanted))
        order = order_of(wanted)
        if demands.is_impossible:
            return []
        plan = self._narrow(demands, order, wanted.limit)
        if plan is None and wanted.limit is None:
            plan = _all(demands, order)
        if plan is not None:
            return self._read(plan)
        assert wanted.limit is not None
        if wanted.near is not None:
            return self._nearest(demands, order, wanted.near, wanted.limit)
        return self._first(demands, order, wanted.limit)

    def _first(self, demands: Demands, order: Order, limit: int) -> list[Row]:
        """Return the first rows of many."""
        if order.key is not None and not demands.are_files_chosen:
            return self._ranked(demands, order, order.key, limit)
        if order.is_by_path or order.column is not None:
            return self._walk(demands, order, limit)
        return self._read(from_sounds("all sorted", demands, order, limit))

    def thresholds(self, wanted: SoundFilter) -> Thresholds:
        """Return the thresholds of a query."""
        return thresholds_of(self._plain, wanted)

    def centre_of(self, mood: Mood) -> tuple[float, float]:
        """Return arousal and valence of the quartiles, in this library, that a mood stands for."""
        bounds = thresholds_of(self._plain, SoundFilter(mood=mood, percentile=25.0))
        return bounds.calm_below / MILLION, bounds.pleasant_from / MILLION

    def among(self, wanted: SoundFilter, numbers: Sequence[int]) -> list[tuple[int, Sound]]:
        """Return those of some sounds that match, each with its number; the limit is left out."""
        demands = demands_of(wanted, thresholds_of(self._plain, wanted))
        order = order_of(wanted)
        rows = self._read(from_numbers("given", "sounds", numbers, demands, order, None))
        return [
            (row[SOUND_ID], sound)
            for row, sound in zip(rows, self.as_sounds(rows, wanted), strict=True)
        ]

    def is_empty(self) -> bool:
        """Tell whether no sound has a file."""
        first = "SELECT 1 FROM predictions WHERE files > 0 LIMIT 1"
        return self._plain.execute(first).fetchone() is None

    def _read(self, plan: Plan) -> list[Row]:
        self.plans.append(plan)
        return self._plain.execute(plan.sql, plan.values).fetchall()

    def _narrow(self, demands: Demands, order: Order, limit: int | None) -> Plan | None:
        """Return a plan that reads and sorts few rows, None if no condition leads to few."""
        if demands.are_files_chosen and (files := self._few_files(demands)) is not None:
            return from_numbers("few files", "files", files, demands, order, limit)
        for column, span in demands.spans.items():
            if self._is_few(column, span):
                return from_sounds(f"few by {column}", demands, order, limit, by=column)
        is_joint = len(demands.spans) + len(demands.others) > 1 or demands.others
        if is_joint and (sounds := self._few_sounds(demands)) is not None:
            return from_numbers("few sounds", "sounds", sounds, demands, order, limit)
        return None

    def _few_files(self, demands: Demands) -> list[int] | None:
        where = all_of(demands.files)
        return self._few_numbers(
            "c.id FROM directories AS d CROSS JOIN clips AS c ON c.directory_id = d.id", where
        )

    def _few_sounds(self, demands: Demands) -> list[int] | None:
        """Read the one index that has all columns with conditions on a sound."""
        where = all_of(demands.sounds)
        return self._few_numbers(
            "p.sound_id FROM predictions AS p INDEXED BY shown_by_arousal", where
        )

    def _few_numbers(self, selected: str, where: Clause) -> list[int] | None:
        found = self._plain.execute(
            f"SELECT {selected} WHERE {where.sql} LIMIT ?", (*where.values, self._few + 1)
        ).fetchall()
        return [number for (number,) in found] if len(found) <= self._few else None

    def _is_few(self, column: str, span: Span) -> bool:
        within = between(column, span)
        (count,) = self._plain.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM predictions INDEXED BY {INDEXES[column]}"  # noqa: S608
            f" WHERE files > 0 AND {within.sql} LIMIT ?)",
            (*within.values, self._few + 1),
        ).fetchone()
        return bool(count <= self._few)

    def _nearest(
        self, demands: Demands, order: Order, near: tuple[float, float], limit: int
    ) -> list[Row]:
        """Search ever larger squares around a point, until one holds enough within its circle."""
        point = [round(MILLION * value) for value in near]
        reach = FIRST_REACH
        while True:
            square = {
                column: Span(at - reach, at + reach)
                for column, at in zip(("shown_arousal", "shown_valence"), point, strict=True)
            }
            closer = demands.within(square)
            is_last = reach > 2 * MILLION
            if is_last or self._has_as_many(closer, limit):
                closer = self._closest(closer, distance_from(near), limit)
                name = f"nearest within {reach / MILLION:g}"
                rows = self._read(from_sounds(name, closer, order, limit, by="shown_arousal"))
                in_circle = rows and _squared_distance(rows[-1], point) <= reach * reach
                if is_last or (len(rows) == limit and in_circle):
                    return rows
            reach *= 2

    def _has_as_many(self, demands: Demands, limit: int) -> bool:
        """Tell from the index alone whether as many sounds as wanted match."""
        if demands.is_impossible:
            return False
        where = all_of(demands.sounds)
        (count,) = self._plain.execute(
            "SELECT count(*) FROM (SELECT 1 FROM predictions AS p INDEXED BY shown_by_arousal"  # noqa: S608
            f" WHERE {where.sql} LIMIT ?)",
            (*where.values, limit),
        ).fetchone()
        return bool(count == limit)

    def _closest(self, demands: Demands, distance: Clause, limit: int) -> Demands:
        """Add how far the last of the nearest sounds is, which the index alone tells.

        Not if a folder or a text is wanted, which only the table of files tells.
        """
        if demands.are_files_chosen:
            return demands
        where = all_of(demands.sounds)
        last = self._plain.execute(
            f"SELECT {distance.sql} FROM predictions AS p INDEXED BY shown_by_arousal"  # noqa: S608
            f" WHERE {where.sql} ORDER BY 1 LIMIT 1 OFFSET ?",
            # One more, since a file may be left out.
            (*distance.values, *where.values, limit),
        ).fetchone()
        if last is None:
            return demands
        return demands.also(Clause(f"{distance.sql} <= ?", (*distance.values, *last)))

    def _ranked(self, demands: Demands, order: Order, key: Clause, limit: int) -> list[Row]:
        """Find the value of the last sound, then those before it, then those equal by path."""
        down = " DESC" if order.is_down else ""
        where = all_of(demands.sounds)
        last = self._plain.execute(
            f"SELECT {key.sql} FROM predictions AS p WHERE {where.sql}"  # noqa: S608 - parts of ours
            f" ORDER BY 1{down} LIMIT 1 OFFSET ?",
            (*key.values, *where.values, limit - 1),
        ).fetchone()
        if last is None:
            return self._read(from_sounds("all sorted", demands, order, None))
        values = (*key.values, *last)
        sign = ">" if order.is_down else "<"
        before = Clause(f"{key.sql} {sign} ?", values)
        if last[0] is not None and not order.is_down:
            before = Clause(f"({before.sql} OR {key.sql} IS NULL)", values + key.values)
        elif last[0] is None and order.is_down:
            before = Clause(f"{key.sql} IS NOT NULL", key.values)
        rows = self._read(from_sounds("before the last", demands.also(before), order, limit))
        equal = demands.also(Clause(f"{key.sql} IS ?", values))
        if left := limit - len(rows):
            rows += self._walk(equal, BY_PATH, left)
        return rows

    def _walk(self, demands: Demands, order: Order, limit: int) -> list[Row]:
        """Read rows in their order until there are enough.

        If that takes too long, what matches lies far back in the order: it is sorted, unless it is
        too much.
        """
        if order.column is None:
            plan = from_files("by path", demands, order, limit)
        else:
            plan = from_sounds(f"by {order.column}", demands, order, limit, by=order.column)
        self.plans.append(plan)
        try:
            with self._budget():
                return self._plain.execute(plan.sql, plan.values).fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
        if self._has_as_many(demands, self._many):
            # To sort so many takes longer than to go on.
            return self._plain.execute(plan.sql, plan.values).fetchall()
        return self._read(from_sounds("all sorted", demands, order, limit, by="shown_arousal"))

    @contextmanager
    def _budget(self) -> Iterator[None]:
        steps = iter(range(self._steps // _STEPS_AT_ONCE))
        self._plain.set_progress_handler(lambda: next(steps, None) is None, _STEPS_AT_ONCE)
        try:
            yield
        finally:
            self._plain.set_progress_handler(None, 0)


def _all(demands: Demands, order: Order) -> Plan:
    """Return the plan for a query without a limit, of which every row is read."""
    if order.is_by_path:
        return from_files("by path", demands, order, None)
    return from_sounds("all sorted", demands, order, None)


def _squared_distance(row: Row, point: list[int]) -> int:
    distance: int = (row[AROUSAL] - point[0]) ** 2 + (row[VALENCE] - point[1]) ** 2
    return distance
