"""The Vorbis comment block shared by FLAC, Ogg Vorbis, Opus and Ogg FLAC."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daemon.tagging.formats.keys import ALL_KEYS
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.tagging.formats.keys import Changes, Items

_VENDOR = b"valenced"


@dataclass(frozen=True)
class Comments:
    """A comment block whose entries stay undecoded bytes.

    Attributes:
        vendor: the encoder's own name.
        entries: `NAME=value` each, in the order of the file.
        rest: what follows the entries: a framing bit, padding, or binary data of Opus.
    """

    vendor: bytes = _VENDOR
    entries: list[bytes] = field(default_factory=list)
    rest: bytes = b""

    def items(self, keys: Collection[str]) -> Items:
        """Return every value under the given keys; names match in any case, as specified."""
        found: Items = {}
        for entry in self.entries:
            key = _key(entry)
            if key in keys and key is not None:
                value = entry.partition(b"=")[2].decode("utf-8", "replace")
                found.setdefault(key, []).append(value)
        return found

    def changed(self, changes: Changes) -> Comments:
        """Return the block with the changes made; new entries come last."""
        entries = [entry for entry in self.entries if _key(entry) not in changes]
        entries += [
            f"{key}={value}".encode(errors="replace")
            for key in sorted(changes)
            for value in changes[key]
        ]
        return Comments(self.vendor, entries, self.rest)

    def render(self) -> bytes:
        """Return the block as stored, without any codec's own prefix."""
        parts = [struct.pack("<I", len(self.vendor)), self.vendor]
        parts.append(struct.pack("<I", len(self.entries)))
        for entry in self.entries:
            parts += [struct.pack("<I", len(entry)), entry]
        return b"".join([*parts, self.rest])


def parse(raw: bytes) -> Comments:
    """Take a comment block apart.

    Args:
        raw: the block without any codec's own prefix.

    Raises:
        Refused: lengths lead out of the block.
    """
    vendor, at = _text(raw, 0)
    if at + 4 > len(raw):
        raise TagsRefused("its comment block is cut off; rewrite the tags once with a tagger")
    (count,) = struct.unpack_from("<I", raw, at)
    at += 4
    entries = []
    for _ in range(count):
        entry, at = _text(raw, at)
        entries.append(entry)
    return Comments(vendor, entries, raw[at:])


def _text(raw: bytes, at: int) -> tuple[bytes, int]:
    start = at + 4
    if start > len(raw) or start + int.from_bytes(raw[at:start], "little") > len(raw):
        raise TagsRefused("its comment block is damaged; rewrite the tags once with a tagger")
    end = start + int.from_bytes(raw[at:start], "little")
    return raw[start:end], end


def _key(entry: bytes) -> str | None:
    name = entry.partition(b"=")[0].decode("ascii", "replace").upper()
    return name if name in ALL_KEYS else None
