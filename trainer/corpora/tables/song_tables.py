"""Common parts of the song data sets: finding rating tables, artists, and groups by artist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.corpora.rated_clip import CorpusError
from trainer.corpora.tables.bounded_csv import CsvRecords, NotATable
from trainer.corpora.tables.csv_tables import open_table, read_rows
from trainer.corpora.tables.rating_rows import RowGroups
from trainer.corpora.tables.sound_files import files_below

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from trainer.corpora.tables.bounded_csv import CsvRecord
    from trainer.corpora.tables.csv_tables import CsvRow
    from trainer.corpora.tables.rating_rows import RatedRow

_IDS: Final = ("song_id", "musicid", "id")
_NO_ARTIST: Final = frozenset(
    {"", "various artists", "various", "unknown", "unknown artist", "va", "n/a"}
)
_GUESTS: Final = (" feat. ", " feat ", " ft. ", " ft ", " featuring ", " with ", " & ", ", ", ";")


def rating_tables(folder: Path, columns: Collection[str], other: str = "") -> list[list[CsvRow]]:
    """Read every `static_annotations` table below a folder that has the columns.

    Tables with `other` in their names belong to another data set and are ignored.

    Raises:
        CorpusError: there is none, or one cannot be read.
    """
    named = [
        path
        for path in files_below(folder)
        if path.suffix.lower() == ".csv" and "static_annotations" in path.name.lower()
        if not (other and other in path.name.lower())
    ]
    matching = [path for path in named if set(columns) <= set(_heading(path))]
    if not matching:
        hint = "give the folder that the data set was unpacked into"
        if named:
            hint = f"{named[0].name} has other columns"
        raise CorpusError(
            f"{folder}: holds no ratings (a CSV file with static_annotations in its name and the "
            f"columns {', '.join(columns)}); {hint}"
        )
    return [read_rows(path, tuple(columns)) for path in matching]


def one_table(folder: Path, columns: Collection[str], other: str = "") -> list[CsvRow]:
    """Read the one table of song ratings below a folder.

    Raises:
        CorpusError: as `rating_tables`, or there are several.
    """
    tables = rating_tables(folder, columns, other)
    if len(tables) > 1:
        names = " and ".join(str(rows[0].source) for rows in tables[:2])
        raise CorpusError(f"{names}: two tables of ratings; remove one")
    return tables[0]


def artists_below(folder: Path) -> dict[str, str]:
    """Return the artist of each song, from the metadata tables below a folder.

    Only the first of several artists counts, in lower case. A table that cannot be read is ignored:
    artists only make groups larger.
    """
    artists: dict[str, str] = {}
    for path in files_below(folder):
        name = path.name.lower()
        if path.suffix.lower() == ".csv" and ("metadata" in name or "songs_info" in name):
            artists |= _artists_in(path)
    return artists


def song_groups(artists: Mapping[str, str], prefix: str) -> Callable[[RatedRow], RowGroups]:
    """Return a function that groups songs by artist; a song without one is its own group."""

    def groups(row: RatedRow) -> RowGroups:
        artist = artists.get(row.item)
        group = f"song:{row.item}" if artist is None else f"artist:{artist}"
        return RowGroups("music", f"{prefix}:{group}")

    return groups


def _artists_in(path: Path) -> dict[str, str]:
    try:
        with open_table(path, "replace") as stream:
            return _artists(iter(CsvRecords(stream)))
    except (OSError, NotATable):
        return {}


def _artists(rows: Iterator[CsvRecord]) -> dict[str, str]:
    first = next(rows, None)
    heading = [cell.strip().lower() for cell in first.cells] if first else []
    key = next((heading.index(name) for name in _IDS if name in heading), None)
    if key is None or "artist" not in heading:
        return {}
    artist = heading.index("artist")
    return {
        row[key].strip(): name
        for _, row in rows
        if len(row) > max(key, artist) and (name := _first_artist(row[artist])) not in _NO_ARTIST
    }


def _first_artist(text: str) -> str:
    name = f" {text.strip().lower()} "
    for guest in _GUESTS:
        name = name.split(guest, maxsplit=1)[0]
    return " ".join(name.split())


def _heading(path: Path) -> Sequence[str]:
    try:
        with open_table(path, "replace") as stream:
            first = next(iter(CsvRecords(stream)), None)
            return [cell.strip() for cell in first.cells] if first else []
    except (OSError, NotATable) as error:
        raise CorpusError(f"{path}: cannot be read: {error}") from error
