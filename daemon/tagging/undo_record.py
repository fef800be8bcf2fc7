"""What a file was before our first write, stored as one JSON object.

Fields of the object: `format` (2), `kind` (the container), `items` (our keys as they were: a list
of values, or null), `block` (whether there was a tag block), `size` (bytes of the file after our
write), `digest` (of the bytes in it that were not there before) and `undo` (how to make the old
bytes from the written ones, packed; null if that would be too large).

Format 1 listed in `undo` the replaced ranges of the written file instead of those that stay.
"""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Self

from daemon.tagging.delta import delta
from daemon.tagging.formats.byte_views import Assembled, Kept, Splice, length_of, pieces_around

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from daemon.tagging.formats.byte_views import Piece, View

FORMAT = 2

MOST_UNDO_BYTES = 256 * 1024
"""With more to store, the old bytes are given up, and `restore` sets the old values only."""

_ENTRY = struct.Struct("<QQQ")


@dataclass(frozen=True)
class UndoRecord:
    """The fields described above; `undo` refers to offsets of the written file."""

    kind: str
    items: Mapping[str, list[str] | None]
    block: bool
    size: int = 0
    digest: str = ""
    undo: Sequence[Piece] | None = None

    def undone(self, view: View) -> Assembled | None:
        """Return the old file, if its bytes are known and ours are still in the present one."""
        if self.undo is None or view.size != self.size or _digest(view, self.undo) != self.digest:
            return None
        return Assembled(view, self.undo)

    def as_json(self, old: View | None, new: View) -> dict[str, Any]:
        """Return the record in types that JSON has, for a write that was just made.

        Args:
            old: the file before the first write; None if its bytes are lost.
            new: the file as written.
        """
        undo = None if old is None else delta(old, new, MOST_UNDO_BYTES)
        return {
            "format": FORMAT,
            "kind": self.kind,
            "items": dict(self.items),
            "block": self.block,
            "size": new.size,
            "digest": "" if undo is None else _digest(new, undo),
            "undo": None if undo is None else packed(undo),
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
                undo = unpacked(undo, size, is_old=record["format"] == 1)
            items, block = dict(record["items"]), bool(record["block"])
            return cls(record["kind"], items, block, size, record["digest"], undo)
        except (KeyError, TypeError, struct.error, zlib.error) as error:
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


def packed(undo: Sequence[Piece]) -> str:
    """Return pieces of a view as text."""
    entries = (
        _ENTRY.pack(*piece, 0) if isinstance(piece, Kept) else _ENTRY.pack(0, 0, len(piece)) + piece
        for piece in undo
    )
    return base64.b64encode(zlib.compress(b"".join(entries), 9)).decode()


def unpacked(text: str, size: int, *, is_old: bool = False) -> list[Piece]:
    """Return what `packed` made a text of, for a view of a size in bytes.

    Raises:
        ValueError: it is damaged, or refers to bytes beyond the view.
    """
    if is_old:
        pieces = pieces_around(map(Splice._make, _entries(text)), size)
    else:
        pairs = ((Kept(offset, length), literal) for offset, length, literal in _entries(text))
        pieces = [piece for pair in pairs for piece in pair if length_of(piece)]
    for piece in pieces:
        if isinstance(piece, Kept) and not 0 <= piece.length <= size - piece.offset:
            raise ValueError("damaged undo record: it refers to bytes beyond the file")
    return pieces


def _entries(text: str) -> Iterator[tuple[int, int, bytes]]:
    raw = zlib.decompress(base64.b64decode(text))
    at = 0
    while at < len(raw):
        offset, length, count = _ENTRY.unpack_from(raw, at)
        at += _ENTRY.size
        yield offset, length, raw[at : at + count]
        at += count
