"""Packs all that a map of many sounds shows into a few columns of bytes."""

from __future__ import annotations

import sys
from array import array
from typing import TYPE_CHECKING, Any, Final

from storage.schema.column_formats import MILLION
from storage.search.demands import all_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping

    from storage.search.demands import Demands

FORMATS: Final = (
    *("mp3", "flac", "ogg", "oga", "opus", "m4a", "mp4", "m4b", "aac", "wav", "wave", "aif"),
    *("aiff", "aifc", "wma", "ape", "wv", "mpc", "dsf", "dff", "alac", "ac3", "amr", "au"),
    *("caf", "mka", "mkv", "webm", "mov", "tta", "tak", "spx", "w64", "voc", "mp2", "ra"),
)
"""Suffixes of file names, in lower case; a format is one's place in this list."""

OTHER_FORMAT: Final = 255
OTHER_FOLDER: Final = 65_535
NOVELTY_STEPS: Final = 50
"""Of a unit of novelty; 255 steps stand for all that is more."""

AFFECT_STEPS: Final = 32_767
"""Of the unit of arousal and valence."""

ANNOTATED: Final = 1
"""The lowest bit of the flags."""

_FOLDERS: Final = " CROSS JOIN directories AS d ON d.id = c.directory_id"
AT_ONCE: Final = 20_000
_TYPES: Final = "IhhBBHBB"
_ALIGNED: Final = 8
_MARK: Final = b"VLP1"


def _format_number() -> str:
    """Return the expression of a file's format, by the end of its name."""
    clauses = []
    for length in dict.fromkeys(map(len, FORMATS)):
        cases = " ".join(
            f"WHEN '.{suffix}' THEN {number}"
            for number, suffix in enumerate(FORMATS)
            if len(suffix) == length
        )
        clauses.append(f"CASE lower(substr(c.name, -{length + 1})) {cases} END")
    return f"coalesce({', '.join(clauses)}, {OTHER_FORMAT})"


_COLUMNS: Final = ", ".join(
    (
        "c.id",
        *(f"p.shown_{name} * {AFFECT_STEPS} / {MILLION}" for name in ("arousal", "valence")),
        "CASE p.kind WHEN 'music' THEN 1 WHEN 'voice' THEN 2 WHEN 'sound' THEN 3 ELSE 0 END",
        f"min(p.novelty * {NOVELTY_STEPS} / {MILLION}, 255)",
        "c.directory_id",
        _format_number(),
        f"(p.rated_arousal IS NOT NULL OR p.rated_valence IS NOT NULL) * {ANNOTATED}",
    )
)


_NUMBERS: Final = {f".{suffix}": number for number, suffix in enumerate(FORMATS)}


def format_of(name: str) -> int:
    """Return the number of a file's format, by the end of its name."""
    _, dot, suffix = name.rpartition(".")
    return _NUMBERS.get(dot + suffix.lower(), OTHER_FORMAT)


def read_points(plain: sqlite3.Connection, demands: Demands, limit: int) -> Iterator[list[Any]]:
    """Yield the columns that `pack_points` takes of the sounds that match, many at once."""
    if demands.is_impossible:
        return
    where = all_of([*demands.files, *demands.sounds])
    # A walk through the table of files finds neighbouring sounds next to each other.
    found = plain.execute(
        f"SELECT {_COLUMNS} FROM clips AS c CROSS JOIN predictions AS p"  # noqa: S608 - parts of ours
        f" ON p.sound_id = c.sound_id{_FOLDERS * demands.are_files_chosen}"
        f" WHERE {where.sql} LIMIT ?",
        (*where.values, limit),
    )
    while rows := found.fetchmany(AT_ONCE):
        yield rows


def pack_points(found: Iterable[list[Any]], folders: Mapping[int, int]) -> bytes:
    """Return sounds, in no order, packed for a map.

    After the mark `VLP1` and the count (uint32) comes one column after the other, each padded to 8
    bytes, all little-endian: number of the file (uint32), arousal and valence (int16, in
    `AFFECT_STEPS`), kind (uint8: 0 unknown, 1 music, 2 voice, 3 sound), novelty (uint8, in
    `NOVELTY_STEPS`), folder (uint16), format (uint8), flags (uint8).

    Args:
        found: many rows at once.
        folders: what stands for the folder with a number; `OTHER_FOLDER` for those left out.
    """
    columns = [array(kind) for kind in _TYPES]
    for rows in found:
        _append(columns, rows, folders)
    head = _MARK + len(columns[0]).to_bytes(4, "little")
    return head + b"".join(map(_packed, columns))


def _append(columns: list[array[Any]], rows: list[Any], folders: Mapping[int, int]) -> None:
    for place, values in enumerate(zip(*rows, strict=True)):
        if _TYPES[place] == "H":
            columns[place].extend([folders.get(number, OTHER_FOLDER) for number in values])
        else:
            columns[place].extend(values)


def _packed(column: array[Any]) -> bytes:
    if sys.byteorder == "big":
        column.byteswap()
    content = column.tobytes()
    return content + bytes(-len(content) % _ALIGNED)
