"""DEAM: 1802 songs of the Free Music Archive, rated by five to ten people each.

Aljanaki, Yang and Soleymani, Developing a benchmark for emotional analysis of music, PLoS ONE 2017.
Ratings of whole songs on a scale of nine, in one or two tables. How many raters is what the tables
themselves say: in 1737 of the 1744 rows below song 2001 both means are whole multiples of 1/10, in
50 of the 58 rows from there on of 1/5. The songs are under Creative Commons, says the paper; a
licence of the ratings could not be found.

In the table as it is passed around, the columns named valence and arousal are interchanged. It
holds the songs of emoMusic, so the two tell by comparison.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.corpora.data_sets.emomusic import COLUMNS, emomusic_ratings
from trainer.corpora.rated_clip import CorpusError
from trainer.corpora.tables.rating_rows import (
    RatedRow,
    RatingTable,
    RowOrigin,
    SkippedRow,
    clips_of,
    rated_rows,
    reading_of,
    unrated_files,
)
from trainer.corpora.tables.song_tables import artists_below, rating_tables, song_belonging
from trainer.corpora.tables.sound_files import files_below, named_after, sounds_below
from trainer.rating_scale import RatingScale

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from trainer.corpora.import_request import ImportRequest
    from trainer.corpora.tables.csv_tables import CsvRow

LICENCE: Final = (
    "ratings: none found (Aljanaki et al., 2017); songs under the Creative Commons licence of each"
)
SCALE: Final = RatingScale(1.0, 9.0)

# The songs of the third year have numbers from 2001 on, and five raters; all others ten.
_LATE: Final = 2001
_RATERS: Final = 10
_LATE_RATERS: Final = 5

_FEWEST_IN_COMMON: Final = 20
_CLEAR: Final = 0.8
_MARGIN: Final = 0.1

_ROOM_FOR_DOUBT: Final = (
    "whether its columns of arousal and valence are interchanged, as in the table that is passed "
    "around, cannot be verified"
)


def read_deam(request: ImportRequest) -> RatingTable:
    """Read DEAM from its folder: its tables, and sounds named after the songs anywhere below.

    Tables whose columns are interchanged are set right, and it is noted. A group is an artist where
    a song table names it, else a song; emoMusic numbers the same songs alike.

    Raises:
        CorpusError: ratings or sounds are missing, or the ratings are not what they should be.
    """
    folder = request.folder
    tables = rating_tables(folder, COLUMNS, other="emomusic")
    sounds = sounds_below(folder, request.suffixes)
    items = [row.text("song_id") for rows in tables for row in rows]
    _demand_apart(tables, items)
    files, unclaimed = named_after(folder, sounds, items)
    emomusic = request.emomusic or _beside(folder)
    rated: list[RatedRow] = []
    skipped: list[SkippedRow] = []
    notes = []
    for rows in tables:
        found, unrated = rated_rows(rows, COLUMNS, lambda _: SCALE, _raters)
        set_right, note = _set_right(found, emomusic, rows[0].source.name)
        rated += set_right
        skipped += unrated
        notes.append(note)
    belonging = song_belonging(artists_below(folder))
    taken, unheard = clips_of(rated, files, RowOrigin(request.name, LICENCE), belonging)
    return reading_of(taken, (*skipped, *unheard, *unrated_files(unclaimed)), notes=notes)


def _set_right(
    rated: Sequence[RatedRow], emomusic: Mapping[str, tuple[float, float]], table: str
) -> tuple[list[RatedRow], str]:
    """Interchange the columns of a table if emoMusic says so, and tell what was found."""
    common = [row for row in rated if row.item in emomusic]
    if len(common) < _FEWEST_IN_COMMON:
        why = (
            f"{len(common)} songs in common with emoMusic"
            if emomusic
            else "emoMusic is not at hand"
        )
        return list(rated), f"{table}: {_ROOM_FOR_DOUBT} ({why}); taken as they are named"
    ours = np.array([(row.arousal, row.valence) for row in common])
    theirs = np.array([emomusic[row.item] for row in common])
    straight, crosswise = (_agreement(ours, each) for each in (theirs, theirs[:, ::-1]))
    told = (
        f"{len(common)} songs in common with emoMusic, r {straight:.2f} straight, "
        f"{crosswise:.2f} crosswise"
    )
    if crosswise >= _CLEAR and crosswise > straight + _MARGIN:
        turned = [replace(row, arousal=row.valence, valence=row.arousal) for row in rated]
        return (
            turned,
            f"{table}: columns of arousal and valence interchanged, and set right ({told})",
        )
    if straight >= _CLEAR and straight > crosswise + _MARGIN:
        return list(
            rated
        ), f"{table}: the columns of arousal and valence are as they are named ({told})"
    return list(rated), f"{table}: {_ROOM_FOR_DOUBT} ({told}); taken as they are named"


def _agreement(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the lower of the correlations of both columns; 0 where one does not vary."""
    if not (ours.std(axis=0).all() and theirs.std(axis=0).all()):
        return 0.0
    return float(min(np.corrcoef(ours[:, dim], theirs[:, dim])[0, 1] for dim in (0, 1)))


def _beside(folder: Path) -> Mapping[str, tuple[float, float]]:
    for path in files_below(folder):
        name = path.name.lower()
        if path.suffix.lower() == ".csv" and "emomusic" in name and "static_annotations" in name:
            return emomusic_ratings(path)
    return {}


def _demand_apart(tables: Sequence[Sequence[CsvRow]], items: Sequence[str]) -> None:
    within = sum(len({row.text("song_id") for row in rows}) for rows in tables)
    if within != len(set(items)):
        names = " and ".join(rows[0].source.name for rows in tables)
        raise CorpusError(f"{names}: rate the same songs; remove the table that is a copy")


def _raters(row: CsvRow) -> int:
    number = row.text("song_id")
    late = number.isascii() and number.isdigit() and int(number) >= _LATE
    return _LATE_RATERS if late else _RATERS
