"""The interface (`Container`) of every tag format, a base class for ID3v2, and several in one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from daemon.tagging.basics.byte_views import Assembled, Kept, pieces_around
from daemon.tagging.basics.keys import ALL_KEYS
from daemon.tagging.basics.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

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

    def has_others(self, view: View) -> bool:
        """Tell whether there are tags besides ours."""

    def repeated(self, view: View) -> Mapping[str, str]:
        """Return the texts of older tags that `edit` repeats in a first tag, as it hides them."""

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

    kind: str

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

    def has_others(self, view: View) -> bool:
        """Tell whether there are frames besides ours."""
        tag = self.tag(view)
        return tag is not None and not tag.is_empty_after({key: [] for key in ALL_KEYS})

    def older(self, view: View) -> Mapping[str, str]:  # noqa: ARG002 - for subclasses
        """Return the texts of tags that players read only where there is no ID3v2."""
        return {}

    def repeated(self, view: View) -> Mapping[str, str]:
        """Return the texts of older tags that a first tag would hide."""
        tag = self.tag(view)
        return self.older(view) if tag is None or tag.is_empty_after({}) else {}

    def edit(self, view: View, changes: Changes, *, keep_block: bool) -> Assembled:
        """Return the file with the changes made."""
        splices = self.splices(view, changes, keep_block=keep_block)
        return Assembled(view, pieces_around(splices, view.size))


@dataclass(frozen=True)
class TagPlaces:
    """A file in which players look for tags in several places, and show those of one place only.

    Ours go where the tags of others are. So an MP3 with nothing but APEv2, or a FLAC with nothing
    but ID3, keeps showing them.

    Attributes:
        kind: as `Container.kind`.
        places: in the order in which players look; the first is for files without tags. Behind
            one with tags of others, what cannot be read counts as absent.
    """

    kind: str
    places: Sequence[Container]

    def has_block(self, view: View) -> bool:
        """Tell whether there is a tag block where players look."""
        return self._shown(view).has_block(view)

    def has_others(self, view: View) -> bool:
        """Tell whether there are tags besides ours in any place."""
        return self._shown(view).has_others(view)

    def items(self, view: View, keys: Collection[str]) -> Items:
        """Return every value under the given keys; the place that players show comes first."""
        shown = self._shown(view)
        found = shown.items(view, keys)
        for place in self.places:
            if place is not shown:
                found = {**_items(place, view, keys), **found}
        return found

    def repeated(self, view: View) -> Mapping[str, str]:
        """Return the texts of older tags that a first tag would hide."""
        return self._shown(view).repeated(view)

    def edit(self, view: View, changes: Changes, *, keep_block: bool) -> Assembled:
        """Return the file with the changes made where players look, and our keys nowhere else."""
        shown = self._shown(view)
        content = Assembled(view, [Kept(0, view.size)])
        for place in self.places:
            there = {} if place is shown else _items(place, content, changes)
            if there:
                none: Changes = {key: [] for key in there}
                content = place.edit(content, none, keep_block=keep_block)
        return shown.edit(content, changes, keep_block=keep_block)

    def _shown(self, view: View) -> Container:
        first, *others = self.places
        if first.has_others(view):
            return first
        return next((place for place in others if place.has_others(view)), first)


def _items(place: Container, view: View, keys: Collection[str]) -> Items:
    with suppress(TagsRefused):
        return place.items(view, keys)
    return {}
