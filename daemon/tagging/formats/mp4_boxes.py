"""Which MP4 files can be edited: the positions of their sound are in places that mutagen knows."""

from __future__ import annotations

import struct
from typing import Any

from mutagen.mp4._atom import Atoms

from daemon.tagging.basics.tag_errors import TagsRefused
from daemon.tagging.formats.older_tags import is_outer

# mutagen's constructors carry no types.
_Atoms: Any = Atoms

MOST_BOXES = 10_000

_BOX_LENGTH, _LONG_BOX_LENGTH, _BOX_HEADER = struct.Struct(">I"), struct.Struct(">Q"), 8


def end_of_boxes(file: Any) -> int:
    """Return where the boxes end."""
    at, size = 0, int(file.view.size)
    for _ in range(MOST_BOXES):
        if size - at < _BOX_HEADER or is_outer(file.view, at):
            return min(at, size)
        (length,) = _BOX_LENGTH.unpack(file.view.read(at, 4))
        if length == 1:
            (length,) = _LONG_BOX_LENGTH.unpack(file.view.read(at + 8, 8))
        if length < _BOX_HEADER:
            return size
        at += length
    return size


def demand_movable(file: Any) -> None:
    """Refuse an MP4 with positions of its sound that mutagen does not know."""
    atoms = _Atoms(file)
    names = [atom.name for atom in atoms.atoms]
    if names.count(b"moov") != 1:
        raise TagsRefused("its MP4 index is not in one piece; the file is left alone")
    if b"moof" in names or b"moov.mvex" in atoms:
        raise TagsRefused("it is a fragmented MP4, as for streaming; save it as a normal M4A first")
    has_saio = any(atoms[b"moov"].findall(b"saio", recursive=True))
    if b"meta" in names or b"moov.meta.iloc" in atoms or has_saio:
        raise TagsRefused("it holds absolute positions that cannot be moved; kept in the catalogue")
    if b"moov.udta.meta" in atoms:
        first = atoms[b"moov.udta.meta"].children[0]
        if first.name != b"hdlr" or first.read(file)[1][8:12] != b"mdir":
            raise TagsRefused(
                "its tags are of a kind for films, not for music; kept in the catalogue only"
            )
