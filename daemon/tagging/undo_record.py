"""What stood in a file before our first write, kept as one JSON object.

Fields of the object: `format` (1), `kind` (the container), `items` (our keys as they were: a list
of values, or null), `block` (whether there was a tag block), `version`, `padding` (bytes),
`size` (bytes of the file after our write), `digest` (of the bytes we put in) and `undo` (the bytes
that were there, packed; null if they would be too many).
"""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Self

from daemon.tagging.formats.format import Layout
from daemon.tagging.formats.splices import Splice, View

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORMAT = 1
MOST_UNDO_BYTES = 256 * 1024

_ENTRY = struct.Struct("<QQQ")


@dataclass(frozen=True)
class UndoRecord:
    """See the module's description; `undo` holds splices in offsets of the written file."""

    kind: str
    items: dict[str, list[str] | None]
    layout: Layout
    size: int
    digest: str
    undo: tuple[Splice, ...] | None

    @classmethod
    def taken(
        cls,
        kind: str,
        items: Mapping[str, list[str] | None],
        layout: Layout,
        after: View,
        undo: Iterable[Splice] | None,
    ) -> Self:
        """Return the record of a write.

        Args:
            kind: of the container.
            items: our keys as they were.
            layout: of the tags as they were.
            after: the file as written.
            undo: what turns it back, in offsets of `after`; None if nothing does.
        """
        if undo is None:
            return cls(kind, dict(items), layout, after.size, "", None)
        undo = tuple(undo)
        fits = sum(len(splice.new) + _ENTRY.size for splice in undo) <= MOST_UNDO_BYTES
        digest = _digest(after, undo)
        return cls(kind, dict(items), layout, after.size, digest, undo if fits else None)

    def undone_by(self, view: View) -> tuple[Splice, ...] | None:
        """Return the splices that bring the old bytes back, if the file is as we left it there."""
        if self.undo is None or view.size != self.size:
            return None
        return self.undo if _digest(view, self.undo) == self.digest else None

    def as_json(self) -> dict[str, Any]:
        """Return the record in types that JSON has."""
        record = {"format": FORMAT, **asdict(self), **self.layout._asdict()}
        del record["layout"]
        return {**record, "undo": None if self.undo is None else _packed(self.undo)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Self:
        """Return what `as_json` recorded.

        Raises:
            ValueError: not such a record, or of a later format.
        """
        try:
            if record["format"] != FORMAT:
                raise ValueError(f"tag journal of unknown format {record['format']}")
            layout = Layout(record["block"], record["version"], record["padding"])
            undo = None if record["undo"] is None else _unpacked(record["undo"])
            fields = (record["kind"], dict(record["items"]), layout)
            return cls(*fields, record["size"], record["digest"], undo)
        except (KeyError, TypeError, struct.error, zlib.error) as error:
            raise ValueError(f"damaged tag journal: {error!r}") from error


def _digest(view: View, undo: Iterable[Splice]) -> str:
    total = blake2b(digest_size=16)
    for splice in undo:
        total.update(view.read(splice.offset, splice.length))
    return total.hexdigest()


def _packed(undo: Iterable[Splice]) -> str:
    parts = (_ENTRY.pack(at, length, len(old)) + old for at, length, old in undo)
    return base64.b64encode(zlib.compress(b"".join(parts), 9)).decode()


def _unpacked(text: str) -> tuple[Splice, ...]:
    raw = zlib.decompress(base64.b64decode(text))
    undo = []
    at = 0
    while at < len(raw):
        offset, length, count = _ENTRY.unpack_from(raw, at)
        at += _ENTRY.size
        undo.append(Splice(offset, length, raw[at : at + count]))
        at += count
    return tuple(undo)
