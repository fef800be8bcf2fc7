"""The extended content description of ASF (WMA); every other object of the header stays."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from daemon.tagging.formats.format import Layout
from daemon.tagging.formats.keys import ALL_KEYS, MOOD
from daemon.tagging.formats.splices import Splice, View
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.tagging.formats.keys import Changes, Items

HEADER = UUID("75B22630-668E-11CF-A6D9-00AA0062CE6C").bytes_le
_DESCRIPTION = UUID("D2D0A440-E307-11D2-97F0-00A0C95EA850").bytes_le
_FILE_PROPERTIES = UUID("8CABDCA1-A947-11CF-8EE4-00C00C205365").bytes_le
_PADDING = UUID("1806D474-CADF-4509-A4BA-9AABCB96AAE8").bytes_le
_OBJECT = 24
_FIRST = 30
_FILE_SIZE_AT = 40
_TEXT = 0
_LONGEST = 0xFFFF
_NAMES = {MOOD: "WM/Mood"}
_KEYS = {_NAMES.get(key, key): key for key in ALL_KEYS}


class _Object(NamedTuple):
    guid: bytes
    offset: int
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size


class _Descriptor(NamedTuple):
    offset: int
    length: int
    key: str | None
    value: str


class Asf:
    """ASF, which holds Windows Media Audio."""

    kind = "asf"

    def layout(self, view: View) -> Layout:
        """Return whether there is an extended description, and the bytes of padding."""
        objects = _objects(view)
        padding = sum(part.size - _OBJECT for part in objects if part.guid == _PADDING)
        return Layout(_one(objects, _DESCRIPTION) is not None, padding=padding)

    def items(self, view: View, keys: Collection[str]) -> Items:
        """Return every value under the given keys."""
        found: Items = {}
        place = _one(_objects(view), _DESCRIPTION)
        for descriptor in _descriptors(view, place) if place else ():
            if descriptor.key in keys and descriptor.key is not None:
                found.setdefault(descriptor.key, []).append(descriptor.value)
        return found

    def plan(self, view: View, changes: Changes, *, keep_block: bool) -> list[Splice]:
        """Return the splices that make the changes."""
        objects = _objects(view)
        place = _one(objects, _DESCRIPTION)
        texts = [(key, value) for key in sorted(changes) for value in changes[key]]
        new = b"".join(_rendered(key, value) for key, value in texts)
        if place is None:
            if not new:
                return []
            body = struct.pack("<H", len(texts)) + new
            block = _DESCRIPTION + struct.pack("<Q", len(body) + _OBJECT) + body
            edits = [Splice(objects[-1].end, 0, block)]
            return [*edits, *_resized(view, objects, len(block), 1)]
        descriptors = _descriptors(view, place)
        gone = [item for item in descriptors if item.key in changes]
        count = len(descriptors) - len(gone) + len(texts)
        if not count and not keep_block:
            edits = [Splice(place.offset, place.size, b"")]
            return [*edits, *_resized(view, objects, -place.size, -1)]
        if count > _LONGEST:
            raise TagsRefused("its description holds as many items as the format allows")
        growth = len(new) - sum(item.length for item in gone)
        edits = [Splice(item.offset, item.length, b"") for item in gone]
        sizes = struct.pack("<QH", place.size + growth, count)
        edits += [Splice(place.end, 0, new), Splice(place.offset + 16, 10, sizes)]
        return [*edits, *_resized(view, objects, growth, 0)]


def _resized(view: View, objects: list[_Object], growth: int, added: int) -> list[Splice]:
    """Let padding take the growth where it can; else tell header and file properties."""
    edits = []
    if added:
        count = struct.pack("<I", len(objects) + added)
        edits.append(Splice(24, 4, count))
    padding = _one(objects, _PADDING)
    if padding and padding.size - growth >= _OBJECT:
        size = Splice(padding.offset + 16, 8, struct.pack("<Q", padding.size - growth))
        if growth >= 0:
            return [*edits, size, Splice(padding.end - growth, growth, b"")]
        return [*edits, size, Splice(padding.end, 0, bytes(-growth))]
    edits.append(Splice(16, 8, struct.pack("<Q", objects[-1].end + growth)))
    properties = _one(objects, _FILE_PROPERTIES)
    if properties:
        at = properties.offset + _FILE_SIZE_AT
        # A broadcast leaves the size open or wrong; then it is none of ours.
        if struct.unpack("<Q", view.read(at, 8))[0] == view.size:
            edits.append(Splice(at, 8, struct.pack("<Q", view.size + growth)))
    return edits


def _objects(view: View) -> list[_Object]:
    guid, size, count = struct.unpack("<16sQI", view.read(0, 28))
    objects = []
    at = _FIRST
    for _ in range(count):
        raw = view.read(at, _OBJECT)
        if len(raw) < _OBJECT or at + _OBJECT > size:
            break
        part = _Object(raw[:16], at, struct.unpack("<Q", raw[16:])[0])
        if part.size < _OBJECT:
            break
        objects.append(part)
        at = part.end
    if guid != HEADER or at != size or size > view.size or len(objects) != count or not objects:
        raise TagsRefused("its ASF header is damaged; the file is left alone")
    return objects


def _one(objects: list[_Object], guid: bytes) -> _Object | None:
    return next((part for part in objects if part.guid == guid), None)


def _descriptors(view: View, place: _Object) -> list[_Descriptor]:
    raw = view.read(place.offset, place.size)
    count = int.from_bytes(raw[_OBJECT : _OBJECT + 2], "little")
    at = _OBJECT + 2
    found = []
    for _ in range(count):
        name_length = int.from_bytes(raw[at : at + 2], "little")
        value_at = at + 2 + name_length
        kind = int.from_bytes(raw[value_at : value_at + 2], "little")
        end = value_at + 4 + int.from_bytes(raw[value_at + 2 : value_at + 4], "little")
        if end > len(raw):
            raise TagsRefused("its ASF description is damaged; rewrite the tags once with a tagger")
        name = _text(raw[at + 2 : value_at])
        key = _KEYS.get(name) if kind == _TEXT else None
        found.append(_Descriptor(place.offset + at, end - at, key, _text(raw[value_at + 4 : end])))
        at = end
    if at != len(raw):
        raise TagsRefused("its ASF description is damaged; rewrite the tags once with a tagger")
    return found


def _text(raw: bytes) -> str:
    return raw.decode("utf-16-le", "replace").rstrip("\0")


def _rendered(key: str, value: str) -> bytes:
    name = f"{_NAMES.get(key, key)}\0".encode("utf-16-le")
    text = f"{value}\0".encode("utf-16-le", "replace")
    if len(text) > _LONGEST:
        raise TagsRefused("a value is too long for ASF")
    head = struct.pack("<H", len(name)) + name
    return head + struct.pack("<HH", _TEXT, len(text)) + text
