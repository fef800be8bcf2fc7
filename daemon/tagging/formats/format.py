"""The interface (`Container`) that every tag format implements, and a base class for ID3v2."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple, Protocol

from daemon.tagging.formats.byte_views import Assembled, pieces_around

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from daemon.tagging.formats.byte_views import Splice, View, ViewFile
    from daemon.tagging.formats.id3_tag import Id3Tag
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


class Id3Container(ABC):
    """A file with one ID3v2 tag; subclasses know its place. All methods may raise TagsRefused."""

    @abstractmethod
    def tag(self, view: View) -> Id3Tag | None:
        """Return the tag; None if there is none."""

    @abstractmethod
    def splices(self, view: View, changes: Changes, *, keep_block: bool) -> list[Splice]:
        """Return the splices that make the changes."""

    def has_block(self, view: View) -> bool:
        """Tell whether the file has a tag at all."""
        return self.tag(view) is not None

    def items(self, view: View, keys: Collection[str]) -> Items:
        """Return every value under the given keys."""
        tag = self.tag(view)
        return tag.items(keys) if tag else {}

    def edit(self, view: View, changes: Changes, *, keep_block: bool) -> Edit:
        """Plan the changes."""
        splices = self.splices(view, changes, keep_block=keep_block)
        return Edit(Assembled(view, pieces_around(splices, view.size)))
