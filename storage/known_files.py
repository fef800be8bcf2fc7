"""Reads which files catalogue and queue know, a folder at a time: all at once would fill memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from storage.database.sessions import batches
from storage.schema.file_stamps import NO_STAMP, FileStamp

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from storage.schema.plain_connection import PlainConnection

FileNumbers = tuple[int, int, int, int | None]
"""The fields of a `FileStamp`, in order."""

_OF_FOLDER: Final = (
    " FROM clips WHERE missing_since IS NULL"
    " AND directory_id = (SELECT id FROM directories WHERE path = CAST(? AS TEXT))"
)
_IN_FOLDER: Final = f"SELECT id, name, size, mtime_ns, inode, ctime_ns{_OF_FOLDER}"
_NAMED: Final = f"{_IN_FOLDER} AND name"
_COUNT: Final = f"SELECT count(*){_OF_FOLDER}"
_NAMES: Final = f"SELECT name{_OF_FOLDER} AND name > CAST(? AS TEXT) ORDER BY name LIMIT ?"
_QUEUED: Final = "SELECT path, size, mtime_ns, inode, ctime_ns FROM queue WHERE path"
_FOLDERS: Final = (
    "SELECT path, (SELECT count(*) FROM clips"
    " WHERE directory_id = directories.id AND missing_since IS NULL) AS files FROM directories"
    " WHERE path > CAST(? AS TEXT) AND path >= CAST(? AS TEXT) AND path < CAST(? AS TEXT)"
    " ORDER BY path LIMIT ?"
)
_QUEUE: Final = (
    "SELECT path FROM queue"
    " WHERE path > CAST(? AS TEXT) AND path >= CAST(? AS TEXT) AND path < CAST(? AS TEXT)"
    " ORDER BY path LIMIT ?"
)
_ROWS: Final = 1000
_NO_NUMBERS: Final = (NO_STAMP.size, NO_STAMP.mtime_ns, NO_STAMP.inode, NO_STAMP.ctime_ns)


class KnownFiles:
    """The files that are known, without those known to be missing. For one thread.

    Each call reads what is true at that moment: a transaction over all calls would hold up the
    write-ahead log for as long as a comparison takes.

    Args:
        plain: a connection outside of a transaction.
        outdated: numbers of clips that count as changed, so that their files are analysed again.
    """

    def __init__(self, plain: PlainConnection, outdated: Collection[int]) -> None:
        self._plain = plain
        self._outdated = frozenset(outdated)

    def in_folder(self, folder: str) -> dict[str, FileNumbers]:
        """Return the clips of a folder, which ends in a slash, by their names in it."""
        return self._numbers(self._plain.execute(_IN_FOLDER, (os.fsencode(folder),)).fetchall())

    def named(self, folder: str, names: Iterable[str]) -> dict[str, FileNumbers]:
        """Return those of some names of a folder."""
        return self._numbers(self._among(_NAMED, names, os.fsencode(folder)))

    def count(self, folder: str) -> int:
        """Count the clips of a folder."""
        number: int = self._plain.execute(_COUNT, (os.fsencode(folder),)).fetchone()[0]
        return number

    def names_in(self, folder: str) -> Iterator[str]:
        """Yield the names of the clips of a folder, in the order of their bytes."""
        path, last = os.fsencode(folder), b""
        while rows := self._plain.execute(_NAMES, (path, last, _ROWS)).fetchall():
            yield from (name for (name,) in rows)
            last = os.fsencode(rows[-1][0])

    def queued(self, paths: Iterable[str]) -> dict[str, FileStamp]:
        """Return the stamps with which some files are in the queue, given up or not."""
        return {path: FileStamp(*numbers) for path, *numbers in self._among(_QUEUED, paths)}

    def folders_below(self, root: Path) -> Iterator[tuple[str, int]]:
        """Yield each folder with clips, at or below a folder, and their number.

        Folders end in a slash, and come in the order of their bytes.
        """
        return (row for row in self._below(_FOLDERS, root) if row[1])

    def queue_below(self, root: Path) -> Iterator[str]:
        """Yield the paths in the queue below a folder, in the order of their bytes."""
        return (path for (path,) in self._below(_QUEUE, root))

    def _below(self, statement: str, root: Path) -> Iterator[tuple[Any, ...]]:
        start = os.fsencode(root).rstrip(b"/")
        # "0" is the character after "/".
        first, end, last = start + b"/", start + b"0", b""
        while rows := self._plain.execute(statement, (last, first, end, _ROWS)).fetchall():
            yield from rows
            last = os.fsencode(rows[-1][0])

    def _among(self, statement: str, texts: Iterable[str], *first: bytes) -> list[Any]:
        """Return the rows of a statement that ends before the texts that are looked for."""
        rows: list[Any] = []
        for some in batches(texts):
            marks = ", ".join(["CAST(? AS TEXT)"] * len(some))
            values = (*first, *map(os.fsencode, some))
            rows += self._plain.execute(f"{statement} IN ({marks})", values).fetchall()
        return rows

    def _numbers(self, rows: list[tuple[Any, ...]]) -> dict[str, FileNumbers]:
        if not self._outdated:
            return {row[1]: row[2:] for row in rows}
        return {row[1]: _NO_NUMBERS if row[0] in self._outdated else row[2:] for row in rows}
