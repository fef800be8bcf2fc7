"""Writes paths for terminals, playlists and programs, and finds their canonical form."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote_from_bytes


def printable(text: str) -> str:
    r"""Escape text so that it is safe on a terminal and stays on its line.

    Control characters and bytes that are not valid UTF-8 are shown as `\n`, `\x1b`, `\xff`.
    """
    if text.isprintable():
        return text
    return "".join(map(_escaped, text))


def canonical_path(path: Path) -> Path:
    """Return the absolute path under which the catalogue stores a file or folder.

    Links in its parents are resolved, since folders are watched under their real paths; a link as
    the last part is not, since linked files are not analysed.
    """
    # Unlike those of `Path`, these raise for no name, however long or forbidden.
    if os.path.isdir(path):  # noqa: PTH112 - as said
        return Path(os.path.realpath(path))
    absolute = path.absolute()
    return Path(os.path.realpath(absolute.parent)) / absolute.name


def playlist_entry(path: Path, start: Path | None = None) -> str:
    """Return a path as a line of an M3U8 playlist, relative to a folder if one is given.

    A playlist consists of lines of UTF-8, of which players drop outer spaces, so any other name
    becomes a file URI, which is never relative.
    """
    text = str(path) if start is None else os.path.relpath(path, start)
    # A relative name may look like a comment, or like the scheme of an address.
    if start is not None and not text.startswith("../"):
        text = f"./{text}"
    if text.isprintable() and text == text.strip():
        return text
    return "file://" + quote_from_bytes(os.fsencode(path))


def _escaped(character: str) -> str:
    if character.isprintable() or character == " ":
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # noqa: PLR2004 - the range that stands for undecodable bytes
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
