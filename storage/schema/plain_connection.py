"""What storage asks of a driver's own connection, for statements that are text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class PlainRows(Protocol):
    """The rows that a statement returns."""

    def __iter__(self) -> Iterator[Any]:
        """Yield the remaining rows."""

    def fetchone(self) -> Any:
        """Return the next row, None after the last."""

    def fetchall(self) -> list[Any]:
        """Return the remaining rows."""


class PlainConnection(Protocol):
    """A connection of SQLite's driver, or what stands for it on another database.

    It returns names as `os.fsdecode` does.
    """

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> PlainRows:
        """Execute a statement, with values for its question marks."""
