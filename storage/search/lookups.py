"""Questions to the indexes: which few rows match, and whether enough do."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from storage.schema.column_formats import MILLION
from storage.search.demands import Span, all_of, between
from storage.search.orders import AXES, COUNTED_STEP, INDEXES
from storage.search.text_search import files_with_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from storage.search.demands import Clause, Demands
    from storage.search.search_plans import Plan

    Row = tuple[Any, ...]

_Answer = TypeVar("_Answer")

FEW: Final = 2_000
"""As many rows are read and sorted within a few milliseconds."""

BUDGET_STEPS: Final = 1_000_000
"""Steps of SQLite's machine after which an attempt is given up: some 40 ms."""

_SHARE_OF_FIRST: Final = 8
"""Of these steps, one in so many may show that few sounds match, before others are tried."""

_STEPS_AT_ONCE: Final = 1_000


class Lookups:
    """Reads rows of one snapshot, and looks into its indexes.

    Args:
        plain: as `Finder` takes it.
        few: rows that are read and sorted without looking for a better way.
        budget: steps of SQLite's machine after which an attempt is given up.
    """

    def __init__(self, plain: sqlite3.Connection, few: int, budget: int) -> None:
        self.plain = plain
        self.few, self._steps = few, budget
        self.plans: list[Plan] = []
        """The plans of the last query, of which the last has led to its rows."""

    def read(self, plan: Plan) -> list[Row]:
        """Return all rows of a plan."""
        self.plans.append(plan)
        return self.plain.execute(plan.sql, plan.values).fetchall()

    def read_soon(self, plan: Plan) -> list[Row] | None:
        """Return all rows of a plan, None if that takes too long."""
        return self._soon(lambda: self.read(plan))

    def few_files(self, demands: Demands) -> list[int] | None:
        """Return the numbers of the files that match the conditions on files, if they are few.

        None may also mean that too many files would have to be looked at to tell.
        """
        for text in demands.texts:
            found = self._soon(partial(files_with_text, self.plain, text, self.few))
            if found is not None:
                return found
        return self._soon(lambda: self.all_files(demands))

    def all_files(self, demands: Demands) -> list[int] | None:
        """As `few_files`, however many have to be looked at."""
        where = all_of(demands.files)
        return self._few_numbers(
            "c.id FROM directories AS d CROSS JOIN clips AS c ON c.directory_id = d.id", where
        )

    def few_sounds(self, demands: Demands) -> list[int] | None:
        """Read the one index that has all columns with conditions on a sound."""
        where = all_of(demands.sounds)
        return self._few_numbers(
            "p.sound_id FROM predictions AS p INDEXED BY shown_by_arousal", where
        )

    def soon_few_sounds(self, demands: Demands) -> list[int] | None:
        """As `few_sounds`; None if a narrow range of the index does not tell."""
        return self._soon(lambda: self.few_sounds(demands), self._steps // _SHARE_OF_FIRST)

    def is_few(self, column: str, span: Span) -> bool:
        """Tell whether a span of an index holds few sounds."""
        within = between(column, span)
        (count,) = self.plain.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM predictions INDEXED BY {INDEXES[column]}"  # noqa: S608
            f" WHERE files > 0 AND {within.sql} LIMIT ?)",
            (*within.values, self.few + 1),
        ).fetchone()
        return bool(count <= self.few)

    def about(self, axis: str, span: Span) -> int:
        """Return about how many sounds a span of an axis holds, never none."""
        steps = [(MILLION + end) // COUNTED_STEP for end in span]
        (count,) = self.plain.execute(
            "SELECT ifnull(sum(sounds), 0) FROM shown_counts"
            " WHERE axis = ? AND step BETWEEN ? AND ?",
            (AXES.index(axis), *steps),
        ).fetchone()
        return int(count) + 1

    def about_joint(self, demands: Demands) -> int:
        """Return about how many sounds lie in the spans of both axes, if the two are independent.

        Other conditions can only leave fewer.
        """
        arousal, valence = (self.about(axis, demands.spans.get(axis, Span())) for axis in AXES)
        return arousal * valence // self.about(AXES[0], Span())

    def has_as_many(self, demands: Demands, limit: int, by: str = "shown_arousal") -> bool:
        """Tell whether as many sounds as wanted match, from the index of a column."""
        if demands.is_impossible:
            return False
        where = all_of(demands.sounds)
        (count,) = self.plain.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM predictions AS p INDEXED BY {INDEXES[by]}"  # noqa: S608
            f" WHERE {where.sql} LIMIT ?)",
            (*where.values, limit),
        ).fetchone()
        return bool(count == limit)

    def _few_numbers(self, selected: str, where: Clause) -> list[int] | None:
        found = self.plain.execute(
            f"SELECT {selected} WHERE {where.sql} LIMIT ?", (*where.values, self.few + 1)
        ).fetchall()
        return [number for (number,) in found] if len(found) <= self.few else None

    def _soon(self, ask: Callable[[], _Answer], most: int | None = None) -> _Answer | None:
        """Return what a function returns, None if it takes too long."""
        steps = iter(range((most or self._steps) // _STEPS_AT_ONCE))
        self.plain.set_progress_handler(lambda: next(steps, None) is None, _STEPS_AT_ONCE)
        try:
            return ask()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            return None
        finally:
            self.plain.set_progress_handler(None, 0)
