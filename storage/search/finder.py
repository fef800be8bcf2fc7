"""Finds sounds: chooses for each query the index that leads to few rows, and reads these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from storage.search.demands import Clause, Demands, all_of, demands_of
from storage.search.found_rows import SoundSearch
from storage.search.lookups import BUDGET_STEPS, FEW, Lookups
from storage.search.map_points import read_points
from storage.search.nearest import nearest
from storage.search.orders import BY_PATH, Order, groups_of, order_of
from storage.search.search_plans import from_files, from_first_folders, from_numbers, from_sounds
from storage.search.thresholds import thresholds_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from storage.schema.sound_filter import SoundFilter
    from storage.search.demands import Thresholds
    from storage.search.search_plans import Plan

    Row = tuple[Any, ...]

FEW_PATHS: Final = 12_000
"""The paths of as many sounds are sorted in less time than a walk that finds none may take."""

MANY: Final = 60_000
"""To sort more rows takes longer than to read all files in order."""

_PRESENT: Final = Demands({}, (), (Clause("c.missing_since IS NULL"),), are_files_chosen=True)
_AS_GIVEN: Final = Order(Clause("number.key"))


class Finder(SoundSearch):
    """Finds sounds in one snapshot of an SQLite catalogue.

    Args:
        plain: a connection that returns names as `os.fsdecode` does, within a transaction.
        few: rows that are read and sorted without looking for a better way.
        few_paths: rows that are sorted by path without reading them in this order first.
        many: rows that are not sorted to find the first.
        budget: steps of SQLite's machine after which an attempt is given up.
    """

    def __init__(
        self,
        plain: sqlite3.Connection,
        *,
        few: int = FEW,
        few_paths: int = FEW_PATHS,
        many: int = MANY,
        budget: int = BUDGET_STEPS,
    ) -> None:
        super().__init__(plain)
        self._plain, self._few_paths, self._many = plain, few_paths, many
        self._lookups = Lookups(plain, few, budget)

    @property
    def plans(self) -> list[Plan]:
        """The plans of the last query, of which the last has led to its rows."""
        return self._lookups.plans

    def demands(self, wanted: SoundFilter) -> Demands:
        """Return the conditions of a query in this catalogue."""
        return demands_of(wanted, thresholds_of(self._plain, wanted))

    def rows(self, wanted: SoundFilter) -> list[Row]:
        """Return the rows of `COLUMNS` that match, in the order of the filter."""
        self.plans.clear()
        demands = self.demands(wanted)
        order = order_of(wanted)
        if demands.is_impossible:
            return []
        if (plan := self._few(demands, order, wanted.limit)) is not None:
            return self._lookups.read(plan)
        if wanted.limit is None:
            return self._lookups.read(
                self._few_sounds(demands, order, None) or _all(demands, order)
            )
        if wanted.near is not None:
            return nearest(self._lookups, demands, order, wanted.near, wanted.limit)
        if order.groups is not None:
            groups = groups_of(demands, order, wanted.thresholds)
            return self._grouped(groups, wanted.limit)
        return self._first(demands, order, wanted.limit)

    def _first(self, demands: Demands, order: Order, limit: int) -> list[Row]:
        """Return the first rows of many."""
        if order.is_by_path or order.column is not None:
            return self._walk(demands, order, limit)
        if (few := self._few_sounds(demands, order, limit)) is not None:
            return self._lookups.read(few)
        if order.key is not None and not demands.are_files_chosen:
            return self._ranked(demands, order, order.key, limit)
        return self._lookups.read(from_sounds("all sorted", demands, order, limit))

    def _grouped(self, groups: Iterable[Demands], limit: int) -> list[Row]:
        """Return the first rows, those of each group by path."""
        rows: list[Row] = []
        for group in groups:
            left = limit - len(rows)
            if not left or group.is_impossible:
                continue
            few = self._few(group, BY_PATH, left)
            rows += self._walk(group, BY_PATH, left) if few is None else self._lookups.read(few)
        return rows

    def thresholds(self, wanted: SoundFilter) -> Thresholds:
        """Return the thresholds of a query."""
        return thresholds_of(self._plain, wanted)

    def rows_of_sounds(self, wanted: SoundFilter, numbers: Sequence[int]) -> list[Row]:
        """Return the rows of some sounds that match, in order; the limit is left out."""
        demands, order = self.demands(wanted), order_of(wanted)
        return self._lookups.read(from_numbers("given", "sounds", numbers, demands, order, None))

    def rows_of_files(self, numbers: Sequence[int]) -> list[Row]:
        """Return the rows of the files with some numbers, in their order; others are left out."""
        return self._lookups.read(
            from_numbers("numbers", "files", numbers, _PRESENT, _AS_GIVEN, None)
        )

    def points(self, wanted: SoundFilter, limit: int) -> Iterator[list[Row]]:
        """Yield what a map shows of the sounds that match, in no order, many at once."""
        return read_points(self._plain, self.demands(wanted), limit)

    def _few(self, demands: Demands, order: Order, limit: int | None) -> Plan | None:
        """Return a plan that reads and sorts few rows, None if no single condition leads to few."""
        look = self._lookups
        if demands.are_files_chosen and (files := look.few_files(demands)) is not None:
            return from_numbers("few files", "files", files, demands, order, limit)
        for column, span in demands.spans.items():
            if look.is_few(column, span):
                return from_sounds(f"few by {column}", demands, order, limit, by=column)
        if _is_joint(demands) and (sounds := look.soon_few_sounds(demands)) is not None:
            return from_numbers("few sounds", "sounds", sounds, demands, order, limit)
        return None

    def _few_sounds(self, demands: Demands, order: Order, limit: int | None) -> Plan | None:
        """Return a plan that reads and sorts few rows, None if all conditions leave many."""
        if not _is_joint(demands) or (sounds := self._lookups.few_sounds(demands)) is None:
            return None
        return from_numbers("few sounds", "sounds", sounds, demands, order, limit)

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
            return self._lookups.read(from_sounds("all sorted", demands, order, None))
        values = (*key.values, *last)
        sign = ">" if order.is_down else "<"
        before = Clause(f"{key.sql} {sign} ?", values)
        if last[0] is not None and not order.is_down:
            before = Clause(f"({before.sql} OR {key.sql} IS NULL)", values + key.values)
        elif last[0] is None and order.is_down:
            before = Clause(f"{key.sql} IS NOT NULL", key.values)
        rows = self._lookups.read(
            from_sounds("before the last", demands.also(before), order, limit)
        )
        equal = demands.also(Clause(f"{key.sql} IS ?", values))
        if left := limit - len(rows):
            rows += self._walk(equal, BY_PATH, left)
        return rows

    def _walk(self, demands: Demands, order: Order, limit: int) -> list[Row]:
        """Read rows in their order until there are enough; what is not much is sorted at once."""
        look = self._lookups
        is_quick = order.is_by_path and not demands.are_files_chosen
        if is_quick and look.about_joint(demands) <= self._few_paths:
            return self._sorted_by_path(demands, order, limit)
        if order.column is None:
            plan = from_files("by path", demands, order, limit)
        else:
            plan = from_sounds(f"by {order.column}", demands, order, limit, by=order.column)
        rows = look.read_soon(plan)
        return self._sorted_instead(plan, demands, order, limit) if rows is None else rows

    def _sorted_instead(self, plan: Plan, demands: Demands, order: Order, limit: int) -> list[Row]:
        """Sort what matches, unless it is too much.

        To read it in its order by a plan takes too long, as it lies far back in this order.
        """
        look = self._lookups
        if demands.are_files_chosen and (files := look.all_files(demands)) is not None:
            return look.read(from_numbers("few files", "files", files, demands, order, limit))
        if (few := self._few_sounds(demands, order, limit)) is not None:
            return look.read(few)
        if look.has_as_many(demands, self._many):
            # To sort so many takes longer than to go on.
            return look.read(plan)
        if order.is_by_path and not demands.are_files_chosen:
            return self._sorted_by_path(demands, order, limit)
        return look.read(from_sounds("all sorted", demands, order, limit, by="shown_arousal"))

    def _sorted_by_path(self, demands: Demands, order: Order, limit: int) -> list[Row]:
        """Find the first folders with what matches, and sort that."""
        rows = self._lookups.read(from_first_folders(demands, order, limit))
        if len(rows) == limit:
            return rows
        return self._lookups.read(
            from_sounds("all sorted", demands, order, limit, by="shown_arousal")
        )


def _is_joint(demands: Demands) -> bool:
    """Tell whether a sound must meet several conditions, or one without an index of its own."""
    return len(demands.spans) > 1 or bool(demands.others)


def _all(demands: Demands, order: Order) -> Plan:
    """Return the plan for a query without a limit, of which every row is read."""
    if order.is_by_path:
        return from_files("by path", demands, order, None)
    return from_sounds("all sorted", demands, order, None)
