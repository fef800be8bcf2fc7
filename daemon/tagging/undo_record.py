"""What a file was before us, and how it was left, stored as one JSON object.

Fields of the object: `format` (3), `kind` (the container), `items` (our keys as they were before
us: a list of values, or null), `block` (whether there was a tag block), `is_clean` (whether the
bytes below hold these items), `left` (the same keys as we left them), `size` (bytes of the file
after our edit), `digest` (of the bytes in it that were not there before), `is_whole` (the digest is
of all bytes instead, since hardly any are new, as after tags were removed), `undo` (how to make the
old bytes from the present ones, packed; null if that would be too large) and, after a restore,
`restored` (true).

Format 2 had no `left`, `is_clean` and `is_whole`. Format 1 listed in `undo` the replaced ranges of
the written file instead of those that stay.

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
from daemon.tagging.basics.keys import PROVENANCE, owned_keys
from daemon.tagging.basics.packed_pieces import entries, packed, unpacked
from daemon.tagging.basics.tag_jobs import TagsBefore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.tagging.basics.byte_views import Piece, View

FORMAT = 3

MOST_UNDO_BYTES = 256 * 1024
"""With more to store, the old bytes are given up, and `restore` sets the old values only."""


_FEW_BYTES = 64
"""With fewer new bytes, a digest of them would fit other files as well."""

_CHUNK = 1 << 20


@dataclass(frozen=True)
class UndoRecord:
    """The fields described above; `undo` refers to offsets of the written file.

    `is_tagged` tells whether tags of ours are in the file that it describes, and `mark` is its
    `VALENCED` item then; earlier formats do not tell that.
    """

    before: TagsBefore
    size: int = 0
    digest: str = ""
    undo: Sequence[Piece] | None = None
    is_whole: bool = False
    is_tagged: bool = True
    mark: Sequence[str] | None = None

    def undone(self, view: View) -> Assembled | None:
        """Return the old file, if its bytes are known and ours are still in the present one."""
        if self.undo is None or view.size != self.size:
            return None
        ranges = [Kept(0, self.size)] if self.is_whole else _new_ranges(self.undo, self.size)
        return Assembled(view, self.undo) if _digest(view, ranges) == self.digest else None

    def as_json(self, undo: Sequence[Piece] | None, new: View) -> dict[str, Any]:
        """Return the record in types that JSON has, for an edit that was just made.

        Args:
            undo: what the file before us is made of, in ranges of `new`; None if that is not known
                or too large.
            new: the file as edited.
        """
        before = self.before
        ranges = [Kept(0, new.size)] if undo is None else _new_ranges(undo, new.size)
        is_whole = sum(length for _, length in ranges) < _FEW_BYTES
        if is_whole:
            ranges = [Kept(0, new.size)]
        return {
            "format": FORMAT,
            "kind": before.kind,
            "items": dict(before.items),
            "block": before.block,
            "is_clean": before.is_clean,
            "left": dict(before.left or {}),
            "size": new.size,
            "digest": "" if undo is None else _digest(new, ranges),
            "is_whole": is_whole,
            "undo": None if undo is None else as_text(undo),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return what `as_json` recorded, also in an earlier format.

        Raises:
            ValueError: not such a record, or of a later format.
        """
        try:
            number = record["format"]
            if number not in (1, 2, FORMAT):
                raise ValueError(f"undo record of unknown format {number}")
            size, undo = record["size"], record["undo"]
            if undo is not None:
                undo = from_text(undo, size, is_old=number == 1)
            before, is_new = _before(record), number == FORMAT
            is_whole = bool(record["is_whole"]) if is_new else False
            mark = dict(record["left"]).get(PROVENANCE) if is_new else None
            is_tagged = bool(mark) if is_new else before.is_clean
            if record.get("restored") and not is_tagged:
                # The file that it describes, a stripped one, was found to be as before us.
                undo = None
            return cls(before, size, record["digest"], undo, is_whole, is_tagged, mark)
        except (KeyError, TypeError, AttributeError, zlib.error) as error:
            raise ValueError(f"damaged undo record: {error!r}") from error


def _before(record: Mapping[str, Any]) -> TagsBefore:
    kind, items, block = record["kind"], dict(record["items"]), bool(record["block"])
    if record["format"] == FORMAT:
        left = items if record.get("restored") else dict(record["left"])
        return TagsBefore(kind, items, block, bool(record["is_clean"]), left)
    # Earlier releases took tags of ours that were in the file for tags of before us.
    ours = owned_keys({key: values for key, values in items.items() if values})
    items |= dict.fromkeys(ours & items.keys())
    return TagsBefore(kind, items, block, is_clean=not ours)


def _new_ranges(undo: Sequence[Piece], size: int) -> list[Kept]:
    """Return the ranges of a file of some size that the old one does not have."""
    ranges = []
    at = 0
    for offset, length in sorted(piece for piece in undo if isinstance(piece, Kept)):
        if offset > at:
            ranges.append(Kept(at, offset - at))
        at = max(at, offset + length)
    return [*ranges, Kept(at, size - at)] if at < size else ranges


def _digest(new: View, ranges: Sequence[Kept]) -> str:
    total = blake2b(digest_size=16)
    for offset, length in ranges:
        for at in range(offset, offset + length, _CHUNK):
            total.update(new.read(at, min(_CHUNK, offset + length - at)))
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
