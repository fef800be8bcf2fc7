"""The APEv2 (or APEv1) tag at the end of Monkey's Audio, WavPack and Musepack files."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.formats.format import Layout
from daemon.tagging.formats.keys import ALL_KEYS, MOOD
from daemon.tagging.formats.splices import Splice, View
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.tagging.formats.keys import Changes, Items

_MARKER = b"APETAGEX"
_FRAME = struct.Struct("<8sIIIIQ")
_ITEM = struct.Struct("<II")
_V2 = 2000
_HAS_HEADER, _IS_HEADER = 1 << 31, 1 << 29
_VALUE_KIND = 0x6
_ID3V1_LENGTH = 128
_LARGEST = 1 << 24
_LYRICS_END = b"LYRICS200"
_NAMES = {MOOD: "Mood"}
_KEYS = {key.casefold(): key for key in ALL_KEYS}


class _Item(NamedTuple):
    offset: int
    length: int
    key: str | None
    values: list[str]


@dataclass(frozen=True)
class _Tag:
    start: int
    footer: int
    version: int
    flags: int
    items: list[_Item]

    @property
    def end(self) -> int:
        return self.footer + _FRAME.size


class Apev2:
    """Files whose tags stand in an APEv2 block at the end.

    Args:
        kind: `ape`, `wavpack` or `musepack`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def layout(self, view: View) -> Layout:
        """Return how the block stands in the file."""
        tag = _tag(view)
        return Layout(block=True, version=str(tag.version // 1000)) if tag else Layout(block=False)

    def items(self, view: View, keys: Collection[str]) -> Items:
        """Return every value under the given keys; names match in any case, as specified."""
        found: Items = {}
        tag = _tag(view)
        for item in tag.items if tag else []:
            if item.key in keys and item.key is not None:
                found.setdefault(item.key, []).extend(item.values)
        return found

    def plan(self, view: View, changes: Changes, *, keep_block: bool) -> list[Splice]:
        """Return the splices that make the changes."""
        tag = _tag(view)
        new = b"".join(_rendered(key, changes[key]) for key in sorted(changes))
        count = sum(1 for key in changes if changes[key])
        if tag is None:
            return [Splice(_end(view), 0, _block(new, count))] if count else []
        gone = [item for item in tag.items if item.key in changes]
        count += len(tag.items) - len(gone)
        if not count and not keep_block:
            return [Splice(tag.start, tag.end - tag.start, b"")]
        edits = [Splice(item.offset, item.length, b"") for item in gone]
        edits.append(Splice(tag.footer, 0, new))
        size = len(new) - sum(item.length for item in gone)
        numbers = _numbers(view, tag.footer, size, count)
        edits.append(Splice(tag.footer + 12, 8, numbers))
        if tag.flags & _HAS_HEADER:
            edits.append(Splice(tag.start + 12, 8, numbers))
        return edits


def _numbers(view: View, footer: int, growth: int, count: int) -> bytes:
    size = _FRAME.unpack(view.read(footer, _FRAME.size))[2] + growth
    return struct.pack("<II", size, count)


def _block(items: bytes, count: int) -> bytes:
    fields = (_MARKER, _V2, len(items) + _FRAME.size, count)
    header = _FRAME.pack(*fields, _HAS_HEADER | _IS_HEADER, 0)
    return header + items + _FRAME.pack(*fields, _HAS_HEADER, 0)


def _rendered(key: str, values: list[str]) -> bytes:
    if not values:
        return b""
    value = "\0".join(values).encode(errors="replace")
    return _ITEM.pack(len(value), 0) + _NAMES.get(key, key).encode() + b"\0" + value


def _end(view: View) -> int:
    """Return where the tag ends or would end: before an ID3v1 block."""
    end = view.size
    if view.read(end - _ID3V1_LENGTH, 3) == b"TAG":
        end -= _ID3V1_LENGTH
    if view.read(end - len(_LYRICS_END), len(_LYRICS_END)) == _LYRICS_END:
        raise TagsRefused("it ends with a Lyrics3 block; kept in the catalogue only")
    return end


def _tag(view: View) -> _Tag | None:
    if view.read(0, len(_MARKER)) == _MARKER:
        raise TagsRefused("its APE tag stands at the start of the file; kept in the catalogue only")
    footer = _end(view) - _FRAME.size
    raw = view.read(footer, _FRAME.size) if footer > 0 else b""
    if raw[:8] != _MARKER:
        return None
    _, version, size, count, flags, _ = _FRAME.unpack(raw)
    first = footer + _FRAME.size - size
    start = first - (_FRAME.size if flags & _HAS_HEADER else 0)
    if not _FRAME.size <= size <= _LARGEST or start < 0:
        raise TagsRefused("its APE tag is damaged; rewrite the tags once with a tagger")
    if flags & _HAS_HEADER and view.read(start, 8) != _MARKER:
        raise TagsRefused("its APE tag lacks its header; rewrite the tags once with a tagger")
    items = _items(view.read(first, footer - first), first, count)
    return _Tag(start, footer, version, flags, items)


def _items(raw: bytes, first: int, count: int) -> list[_Item]:
    items = []
    at = 0
    for _ in range(count):
        name_end = raw.find(b"\0", at + _ITEM.size)
        if at + _ITEM.size > len(raw) or name_end < 0:
            break
        length, flags = _ITEM.unpack_from(raw, at)
        name = raw[at + _ITEM.size : name_end].decode("ascii", "replace")
        end = name_end + 1 + length
        # Binary items and links are never ours, whatever their name.
        key = _KEYS.get(name.casefold()) if not flags & _VALUE_KIND else None
        values = raw[name_end + 1 : end].decode("utf-8", "replace").split("\0")
        items.append(_Item(first + at, end - at, key, values))
        at = end
    if at != len(raw) or len(items) != count:
        raise TagsRefused("its APE tag is damaged; rewrite the tags once with a tagger")
    return items
