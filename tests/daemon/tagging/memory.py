from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.tagging.basics.byte_views import Assembled, pieces_around
from daemon.tagging.formats.detect import container_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from daemon.tagging.basics.byte_views import Splice, View


class Memory:
    """Bytes in memory, as a view."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def size(self) -> int:
        return len(self._content)

    def read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length]


def spliced(base: View, splices: Iterable[Splice]) -> Assembled:
    return Assembled(base, pieces_around(splices, base.size))


def put(content: bytes, items: Mapping[str, list[str]]) -> bytes:
    """Return a file with items set, or removed where they are empty, as by another program."""
    view = Memory(content)
    made = container_of(view).edit(view, dict(items), keep_block=True)
    return made.read(0, made.size)
