"""Connections for reading, and batches of values for one condition."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.engine import Connection, Engine

_BATCH: Final = 500

_Value = TypeVar("_Value")


def reading(engine: Engine) -> Connection:
    """Connect for reading: a snapshot that neither blocks writers nor sees their changes."""
    return engine.connect().execution_options(read_only=True)


def batches(values: Iterable[_Value]) -> Iterator[list[_Value]]:
    """Split values into batches that fit into one condition: SQLite takes at least 999."""
    rest = iter(values)
    while batch := list(islice(rest, _BATCH)):
        yield batch
