"""What the containers of an ID3v2 tag have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from daemon.tagging.formats.byte_views import Assembled, pieces_around
from daemon.tagging.formats.format import Edit

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.tagging.formats.byte_views import Splice, View
    from daemon.tagging.formats.id3_tag import Id3Tag
    from daemon.tagging.formats.keys import Changes, Items


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
