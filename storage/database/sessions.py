"""How the rooms of the catalogue ask it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.engine import Connection, Engine

_LOT: Final = 500

_Value = TypeVar("_Value")


def reading(engine: Engine) -> Connection:
    """Connect for reading: writers are not kept out, and what they change meanwhile is not seen."""
    return engine.connect().execution_options(read_only=True)


def in_lots(values: Iterable[_Value]) -> Iterator[list[_Value]]:
    """Deal values into lots that fit into one condition: SQLite takes at least 999."""
    rest = iter(values)
    while lot := list(islice(rest, _LOT)):
        yield lot
