"""Finds the files with a text in their path: few folders are read whole, names have an index."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

TEXT: Final = "CAST(? AS TEXT)"
"""Bytes are bound, since the driver takes no name that is not UTF-8."""

LIKE: Final = f"LIKE {TEXT} ESCAPE '\\'"

_FOLDERS: Final = f"SELECT id FROM directories WHERE path {LIKE}"  # noqa: S608 - parts of ours
_GRAM: Final = 3
_LONGEST: Final = 4096
"""No path is longer, and no pattern may be ten times as long."""

_LOOKED_AT: Final = 10
"""Names with all the pieces of a text that are looked at for each file that may be found."""


def as_text(text: str) -> bytes:
    """Return what to bind for `TEXT`."""
    return os.fsencode(text)


def lowered(column: str) -> str:
    """Return the bytes of a column in SQL, with ASCII in lower case."""
    return f"CAST(lower({column}) AS BLOB)"


def is_plain(text: str) -> bool:
    """Tell whether `LIKE` and the index of names compare a text exactly.

    Bytes that are not UTF-8 are all the same to them, and the same as a few characters.
    """
    odd = any("\ud800" <= sign <= "\udfff" or sign in "\0\ufffd\ufffe\uffff" for sign in text)
    return not odd and len(text) <= _LONGEST


def pattern(text: str) -> str:
    """Return a pattern for `LIKE` that stands for a text itself."""
    return "".join(f"\\{sign}" if sign in "\\%_" else sign for sign in text)


def files_with_text(plain: sqlite3.Connection, text: str, most: int) -> list[int] | None:
    """Return the numbers of the files, missing ones too, that may have a text in their path.

    Args:
        plain: a connection to the catalogue.
        text: upper and lower case of ASCII are the same.
        most: files that may be found.

    Returns:
        All files with the text, and perhaps some others. None if there may be more than `most`, or
        no index has the text.
    """
    if not is_plain(text):
        return None
    folder, slash, name = text.rpartition("/")
    ways = [_below_folders(plain, f"%{pattern(text)}%", most)]
    if slash and not name:
        # The text ends with the folder, in which every name counts.
        return ways[0]
    if slash and folder:
        ways.append(_below_folders(plain, f"%{pattern(folder)}/", most))
    else:
        ways.append(_with_name(plain, name, most))
    found: set[int] = set()
    for way in ways:
        if way is None:
            return None
        found.update(way)
    return sorted(found) if len(found) <= most else None


def _below_folders(plain: sqlite3.Connection, like: str, most: int) -> list[int] | None:
    return _few(
        plain,
        f"SELECT id FROM clips WHERE directory_id IN ({_FOLDERS})",  # noqa: S608 - parts of ours
        (as_text(like),),
        most,
    )


def _with_name(plain: sqlite3.Connection, text: str, most: int) -> list[int] | None:
    like = as_text(f"%{pattern(text)}%")
    grams = {text[at : at + _GRAM] for at in range(len(text) - _GRAM + 1)}
    if not grams:
        return _few(plain, f"SELECT id FROM clips WHERE name {LIKE}", (like,), most)  # noqa: S608
    wanted = " AND ".join('"{}"'.format(gram.replace('"', '""')) for gram in sorted(grams))
    many = _few(plain, "SELECT rowid FROM names WHERE names MATCH ?", (wanted,), _LOOKED_AT * most)
    if many is None:
        return None
    numbers = f"[{','.join(map(str, many))}]"
    return _few(
        plain,
        f"SELECT clips.id FROM json_each(?) CROSS JOIN clips ON clips.id = value WHERE name {LIKE}",  # noqa: S608
        (numbers, like),
        most,
    )


def _few(
    plain: sqlite3.Connection, sql: str, values: tuple[bytes | str, ...], most: int
) -> list[int] | None:
    found = plain.execute(f"{sql} LIMIT ?", (*values, most + 1)).fetchall()
    return [number for (number,) in found] if len(found) <= most else None
