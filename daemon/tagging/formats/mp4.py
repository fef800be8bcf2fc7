"""Freeform items in the metadata list of MP4 (M4A, ALAC); chapters, covers and the rest stay."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.formats.format import Layout
from daemon.tagging.formats.keys import ALL_KEYS
from daemon.tagging.formats.mp4_boxes import Box, boxes, child, render, resized
from daemon.tagging.formats.splices import Splice, View, narrow
from daemon.tagging.formats.tag_errors import NO_SCHEME, TagsRefused

if TYPE_CHECKING:
    from collections.abc import Collection

    from daemon.tagging.formats.keys import Changes, Items

_MEAN = b"com.apple.iTunes"
_UTF8 = 1
_FULL = 4
_HANDLER = render(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
_OFFSETS = {b"stco": struct.Struct(">I"), b"co64": struct.Struct(">Q")}
_ABSOLUTE = (b"iloc", b"saio")
_TO_SAMPLES = (b"mdia", b"minf", b"stbl")


class _Place(NamedTuple):
    """The parents of the metadata list from `moov` down, and the list if there is one."""

    parents: list[Box]
    listed: Box | None
    free: Box | None


class Mp4:
    """MP4 with its index in one `moov` box."""

    kind = "mp4"

    def layout(self, view: View) -> Layout:
        """Return whether there is a metadata list, and the free bytes behind it."""
        place = _place(view)
        return Layout(place.listed is not None, padding=place.free.size if place.free else 0)

    def items(self, view: View, keys: Collection[str]) -> Items:
        """Return every value under the given keys."""
        found: Items = {}
        listed = _place(view).listed
        for box in boxes(view, listed.body, listed.end) if listed else ():
            key, values = _freeform(view, box)
            if key in keys and key is not None:
                found.setdefault(key, []).extend(values)
        return found

    def plan(self, view: View, changes: Changes, *, keep_block: bool) -> list[Splice]:  # noqa: ARG002 - an empty list is valid
        """Return the splices that make the changes."""
        _refuse_fragments(view)
        place = _place(view)
        new = b"".join(_rendered(key, changes[key]) for key in sorted(changes))
        if place.listed is None:
            return _new_list(view, place, new) if new else []
        gone = [
            box
            for box in boxes(view, place.listed.body, place.listed.end)
            if _freeform(view, box)[0] in changes
        ]
        edits = [Splice(box.offset, box.size, b"") for box in gone]
        edits.append(Splice(place.listed.end, 0, new))
        growth = sum(edit.growth for edit in edits)
        if not growth:
            return edits
        edits.append(Splice(*_size(view, place.listed, growth)))
        absorbed = _absorbed(place.free, growth)
        if absorbed:
            return [*edits, *absorbed]
        return [*edits, *_grown(view, place.parents, place.listed.end, growth)]


def _new_list(view: View, place: _Place, items: bytes) -> list[Splice]:
    new = render(b"ilst", items)
    innermost = place.parents[-1]
    if innermost.name != b"meta":
        new = render(b"meta", bytes(_FULL) + _HANDLER + new)
    if innermost.name == b"moov":
        new = render(b"udta", new)
    edits = _grown(view, place.parents, innermost.end, len(new))
    return [Splice(innermost.end, 0, new), *edits]


def _absorbed(free: Box | None, growth: int) -> list[Splice]:
    """Take growth out of the free box behind the list, or give shrinkage to it."""
    if free is None or free.head != 8 or 0 < free.size - growth < free.head:  # noqa: PLR2004
        return []
    if free.size - growth < 0:
        return []
    left = free.size - growth
    return [Splice(free.offset, free.size, render(b"free", bytes(left - 8)) if left else b"")]


def _grown(view: View, parents: list[Box], at: int, growth: int) -> list[Splice]:
    edits = [Splice(*_size(view, box, growth)) for box in parents]
    moov = parents[0]
    for box in boxes(view, moov.body, moov.end):
        if box.name == b"trak":
            edits += _moved_chunks(view, box, at, growth)
    return edits


def _moved_chunks(view: View, trak: Box, at: int, growth: int) -> list[Splice]:
    box: Box | None = trak
    for name in _TO_SAMPLES:
        box = child(view, box, name) if box else None
    edits = []
    for table in boxes(view, box.body, box.end) if box else ():
        if table.name in _ABSOLUTE:
            raise TagsRefused(
                "it holds absolute positions that cannot be moved; kept in the catalogue"
            )
        entry = _OFFSETS.get(table.name)
        if entry is None:
            continue
        raw = view.read(table.body + 8, table.size - table.head - 8)
        raw = raw[: len(raw) // entry.size * entry.size]
        moved = [value + growth if value >= at else value for (value,) in entry.iter_unpack(raw)]
        if any(value >> (8 * entry.size) for value in moved):
            raise TagsRefused("it is too large for its index to move; kept in the catalogue only")
        new = b"".join(map(entry.pack, moved))
        edits += narrow(view, [Splice(table.body + 8, len(raw), new)])
    return edits


def _size(view: View, box: Box, growth: int) -> tuple[int, int, bytes]:
    at, raw = resized(view, box, growth)
    return at, len(raw), raw


def _refuse_fragments(view: View) -> None:
    names = [box.name for box in boxes(view, 0, view.size)]
    if names.count(b"moov") != 1:
        raise TagsRefused("its MP4 index is not in one piece; the file is left alone")
    moov = next(box for box in boxes(view, 0, view.size) if box.name == b"moov")
    if b"moof" in names or child(view, moov, b"mvex"):
        raise TagsRefused("it is a fragmented MP4, whose positions cannot be moved safely")
    meta = child(view, moov, b"meta")
    if b"meta" in names or (meta and child(view, meta, b"iloc", skip=_FULL)):
        raise TagsRefused("it holds absolute positions that cannot be moved; kept in the catalogue")


def _place(view: View) -> _Place:
    if view.read(8, 4) == b"qt  ":
        raise TagsRefused(NO_SCHEME)
    moov = next((box for box in boxes(view, 0, view.size) if box.name == b"moov"), None)
    if moov is None:
        raise TagsRefused("it has no MP4 index; the file is left alone")
    udta = child(view, moov, b"udta")
    if udta is None:
        return _Place([moov], None, None)
    meta = child(view, udta, b"meta")
    if meta is None:
        # Four zeros that end the list would hide whatever follows them.
        if sum(box.size for box in boxes(view, udta.body, udta.end)) != udta.size - udta.head:
            raise TagsRefused(
                "its user metadata is closed by a terminator; kept in the catalogue only"
            )
        return _Place([moov, udta], None, None)
    return _in_meta(view, [moov, udta, meta])


def _in_meta(view: View, parents: list[Box]) -> _Place:
    meta = parents[-1]
    if view.read(meta.body, 4) != bytes(4):
        raise TagsRefused("its metadata box is of an unknown kind; kept in the catalogue only")
    inside = list(boxes(view, meta.body + _FULL, meta.end))
    handler = next((box for box in inside if box.name == b"hdlr"), None)
    if handler is None or view.read(handler.body + 8, 4) != b"mdir":
        raise TagsRefused("its metadata box is of an unknown kind; kept in the catalogue only")
    for index, box in enumerate(inside):
        if box.name == b"ilst":
            after = inside[index + 1] if index + 1 < len(inside) else None
            return _Place(parents, box, after if after and after.name == b"free" else None)
    return _Place(parents, None, None)


def _freeform(view: View, box: Box) -> tuple[str | None, list[str]]:
    if box.name != b"----":
        return None, []
    parts = list(boxes(view, box.body, box.end))
    texts = {part.name: view.read(part.body + _FULL, part.size - part.head - 4) for part in parts}
    name = texts.get(b"name", b"").decode("utf-8", "replace")
    if texts.get(b"mean") != _MEAN or name not in ALL_KEYS:
        return None, []
    values = [
        view.read(part.body + 8, part.size - part.head - 8).decode("utf-8", "replace")
        for part in parts
        if part.name == b"data"
    ]
    return name, values


def _rendered(key: str, values: list[str]) -> bytes:
    if not values:
        return b""
    mean = render(b"mean", bytes(_FULL) + _MEAN)
    name = render(b"name", bytes(_FULL) + key.encode())
    texts = (struct.pack(">II", _UTF8, 0) + value.encode(errors="replace") for value in values)
    return render(b"----", mean + name + b"".join(render(b"data", text) for text in texts))
