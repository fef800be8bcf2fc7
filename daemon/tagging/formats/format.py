"""What every container format offers to the code that plans a write."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from daemon.tagging.formats.byte_views import Assembled, View, ViewFile
    from daemon.tagging.formats.keys import Changes, Items


class Edit(NamedTuple):
    """An edit that is not made yet.

    Attributes:
        content: what to write into the copy.
        finish: edits the complete copy, given as a file that can be written; None if there is
            nothing more to do.
    """

    content: Assembled
    finish: Callable[[ViewFile], None] | None = None


class Container(Protocol):
    """Knows the tags of one family of files."""

    @property
    def kind(self) -> str:
        """Short name, such as `mp3`, `wav`, `flac`."""

    def has_block(self, view: View) -> bool:
        """Tell whether the file has a tag block at all."""

    def items(self, view: View, keys: Collection[str]) -> Items:
        """Return every value under the given keys."""

    def edit(self, view: View, changes: Changes, *, keep_block: bool) -> Edit:
        """Plan the changes.

        Args:
            view: the file.
            changes: keys not named here are not touched.
            keep_block: leave a tag block in place even if the changes empty it.

        Raises:
            TagsRefused: the file's structure does not allow a safe edit.
        """
