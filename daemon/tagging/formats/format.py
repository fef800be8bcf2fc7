"""What every container module offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.tagging.formats.keys import Changes, Items
    from daemon.tagging.formats.splices import Splice, View


class Layout(NamedTuple):
    """How tags stood in a file.

    Attributes:
        block: whether there was a tag block at all.
        version: of the block, such as `2.3`, where the container has versions.
        padding: bytes kept free for tags to grow.
    """

    block: bool
    version: str | None = None
    padding: int = 0


class Container(Protocol):
    """Knows where one family of files keeps its tags. None of the methods writes."""

    kind: str
    """Short name, such as `mp3`, `wav`, `flac`."""

    def layout(self, view: View) -> Layout:
        """Return how tags stand in the file."""

    def items(self, view: View, keys: Collection[str]) -> Items:
        """Return every value under the given keys."""

    def plan(self, view: View, changes: Changes, *, keep_block: bool) -> list[Splice]:
        """Return the splices that make the changes.

        Args:
            view: the file.
            changes: keys not named here are not touched.
            keep_block: leave a tag block in place even if the changes empty it.

        Raises:
            Refused: the file's structure does not allow a safe edit.
        """
