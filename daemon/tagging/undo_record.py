"""What a file was before our first write, stored as one JSON object.

Fields of the object: `format` (2), `kind` (the container), `items` (our keys as they were: a list
of values, or null), `block` (whether there was a tag block), `size` (bytes of the file after our
write), `digest` (of the bytes in it that were not there before) and `undo` (how to make the old
bytes from the written ones, packed; null if that would be too large).

Format 1 listed in `undo` the replaced ranges of the written file instead of those that stay.

`undo` comes from `way_back`, which turns round the description by which the service itself made
the written file from the old one. So `undo` leads back to exactly the old bytes, even if that
description came from a worker that a hostile file had taken over. What such a worker may still do
is make a file that nothing can play until it is restored.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Self

from daemon.tagging.basics.byte_views import Assembled, Kept, Splice, pieces_around
from daemon.tagging.basics.packed_pieces import entries, packed, unpacked
from daemon.tagging.basics.tag_jobs import TagsBefore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.tagging.basics.byte_views import Piece, View

FORMAT = 2

MOST_UNDO_BYTES = 256 * 1024
"""With more to store, the old bytes are given up, and `restore` sets the old values only."""


@dataclass(frozen=True)
class UndoRecord:
    """The fields described above; `undo` refers to offsets of the written file."""

    kind: str
    items: Mapping[str, list[str] | None]
    block: bool
    size: int = 0
    digest: str = ""
    undo: Sequence[Piece] | None = None

    @classmethod
    def of(cls, before: TagsBefore) -> Self:
        """Return a record for a write that is not made yet."""
        return cls(before.kind, before.items, before.block)

    @property
    def before(self) -> TagsBefore:
        """What the record says of the tags before our first write."""
        return TagsBefore(self.kind, self.items, self.block)

    def undone(self, view: View) -> Assembled | None:
        """Return the old file, if its bytes are known and ours are still in the present one."""
        if self.undo is None or view.size != self.size or _digest(view, self.undo) != self.digest:
            return None
        return Assembled(view, self.undo)

    def as_json(self, undo: Sequence[Piece] | None, new: View) -> dict[str, Any]:
        """Return the record in types that JSON has, for a write that was just made.

        Args:
            undo: what the file before the first write is made of, in ranges of `new`; None if that
                is not known or too large.
            new: the file as written.
        """
        return {
            "format": FORMAT,
            "kind": self.kind,
            "items": dict(self.items),
            "block": self.block,
            "size": new.size,
            "digest": "" if undo is None else _digest(new, undo),
            "undo": None if undo is None else as_text(undo),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return what `as_json` recorded, also in format 1.

        Raises:
            ValueError: not such a record, or of a later format.
        """
        try:
            if record["format"] not in (1, FORMAT):
                raise ValueError(f"undo record of unknown format {record['format']}")
            size, undo = record["size"], record["undo"]
            if undo is not None:
                undo = from_text(undo, size, is_old=record["format"] == 1)
            items, block = dict(record["items"]), bool(record["block"])
            return cls(record["kind"], items, block, size, record["digest"], undo)
        except (KeyError, TypeError, zlib.error) as error:
            raise ValueError(f"damaged undo record: {error!r}") from error


def _digest(new: View, undo: Sequence[Piece]) -> str:
    """Return the digest of those bytes of the new file that the old one does not have."""
    total = blake2b(digest_size=16)
    at = 0
    for offset, length in sorted(piece for piece in undo if isinstance(piece, Kept)):
        total.update(new.read(at, max(0, offset - at)))
        at = max(at, offset + length)
    total.update(new.read(at, new.size - at))
    return total.hexdigest()


def as_text(undo: Sequence[Piece]) -> str:
    """Return pieces of a view as text."""
    return base64.b64encode(zlib.compress(packed(undo), 9)).decode()


def from_text(text: str, size: int, *, is_old: bool = False) -> list[Piece]:
    """Return what `as_text` made a text of, for a view of a size in bytes.

    Raises:
        ValueError: it is damaged, or refers to bytes beyond the view.
        zlib.error: it is damaged.
    """
    raw = zlib.decompress(base64.b64decode(text))
    try:
        if not is_old:
            return unpacked(raw, size)
        pieces = pieces_around(map(Splice._make, entries(raw)), size)
    except ValueError as error:
        raise ValueError(f"damaged undo record: {error}") from error
    if any(isinstance(piece, Kept) and piece.length < 0 for piece in pieces):
        raise ValueError("damaged undo record: it refers to bytes beyond the file")
    return pieces
