"""The interface (`Container`) that every tag format implements, and a base class for ID3v2."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from daemon.tagging.basics.byte_views import Assembled, pieces_around

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.tagging.basics.byte_views import Splice, View
    from daemon.tagging.basics.keys import Changes, Items
    from daemon.tagging.formats.id3_tag import Id3Tag


class Container(Protocol):
    """Knows the tags of one family of files."""

    @property
    def kind(self) -> str:
        """Short name, such as `mp3`, `wav`, `flac`."""

    def has_block(self, view: View) -> bool:
        """Tell whether the file has a tag block at all."""

    def items(self, view: View, keys: Collection[str]) -> Items:
        """Return every value under the given keys."""

    def edit(self, view: View, changes: Changes, *, keep_block: bool) -> Assembled:
        """Return the file with the changes made; nothing is written.

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

    def edit(self, view: View, changes: Changes, *, keep_block: bool) -> Assembled:
        """Return the file with the changes made."""
        splices = self.splices(view, changes, keep_block=keep_block)
        return Assembled(view, pieces_around(splices, view.size))
