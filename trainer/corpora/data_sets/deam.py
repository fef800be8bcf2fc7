"""DEAM: 1802 songs of the Free Music Archive, rated by five to ten people each.

Aljanaki, Yang and Soleymani, Developing a benchmark for emotional analysis of music, PLoS ONE 2017.
Ratings of whole songs on nine points, in one or two tables. The number of raters follows from the
tables: in 1737 of the 1744 rows below song 2001 both means are multiples of 1/10, in 50 of the 58
rows from there on of 1/5. The songs are under Creative Commons according to the paper; no licence
of the ratings could be found.

In the distributed table, the columns named valence and arousal are interchanged. It includes the
songs of emoMusic, so a comparison shows it.
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
    SkippedRow,
    rated_rows,
    rating_table,
)
from trainer.corpora.tables.song_tables import artists_below, rating_tables, song_groups
from trainer.corpora.tables.sound_files import files_below, match_sounds, sounds_below
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

_UNVERIFIED: Final = (
    "it cannot be verified whether the columns of arousal and valence are interchanged, as in the "
    "distributed table"
)


def read_deam(request: ImportRequest) -> RatingTable:
    """Read DEAM from its folder: its tables, and sounds named after the songs anywhere below.

    Interchanged columns are swapped back, and this is noted. A group is an artist if a song table
    names it, else a song; emoMusic gives the same songs the same numbers.

    Raises:
        CorpusError: ratings or sounds are missing, or the ratings are not valid.
    """
    folder = request.folder
    tables = rating_tables(folder, COLUMNS, other="emomusic")
    sounds = sounds_below(folder, request.suffixes)
    items = [row.text("song_id") for rows in tables for row in rows]
    _check_no_copy(tables, items)
    emomusic = request.emomusic or _emomusic_below(folder)
    rated: list[RatedRow] = []
    skipped: list[SkippedRow] = []
    notes = []
    for rows in tables:
        found, unrated = rated_rows(rows, COLUMNS, lambda _: SCALE, _raters)
        corrected, note = _corrected(found, emomusic)
        rated += corrected
        skipped += unrated
        notes.append(f"{rows[0].source.name}: {note}")
    return rating_table(
        rated,
        match_sounds(folder, sounds, items),
        song_groups(artists_below(folder), "freemusic"),
        corpus=request.name,
        licence=LICENCE,
        skipped=skipped,
        notes=notes,
    )


def _corrected(
    rated: list[RatedRow], emomusic: Mapping[str, tuple[float, float]]
) -> tuple[list[RatedRow], str]:
    """Swap the columns of a table if emoMusic shows that they are interchanged; return a note."""
    common = [row for row in rated if row.item in emomusic]
    if len(common) < _FEWEST_IN_COMMON:
        why = f"{len(common)} songs in common with emoMusic" if emomusic else "no emoMusic table"
        return rated, f"{_UNVERIFIED} ({why}); used as named"
    ours = np.array([(row.arousal, row.valence) for row in common])
    theirs = np.array([emomusic[row.item] for row in common])
    as_named, swapped = (_agreement(ours, each) for each in (theirs, theirs[:, ::-1]))
    figures = (
        f"{len(common)} songs in common with emoMusic, r {as_named:.2f} as named, "
        f"{swapped:.2f} swapped"
    )
    if swapped >= _CLEAR and swapped > as_named + _MARGIN:
        rows = [replace(row, arousal=row.valence, valence=row.arousal) for row in rated]
        return rows, f"columns of arousal and valence are interchanged; swapped back ({figures})"
    if as_named >= _CLEAR and as_named > swapped + _MARGIN:
        return rated, f"columns of arousal and valence are correctly named ({figures})"
    return rated, f"{_UNVERIFIED} ({figures}); used as named"


def _agreement(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the lower of the correlations of both columns; 0 where one does not vary."""
    if not (ours.std(axis=0).all() and theirs.std(axis=0).all()):
        return 0.0
    return float(min(np.corrcoef(ours[:, dim], theirs[:, dim])[0, 1] for dim in (0, 1)))


def _emomusic_below(folder: Path) -> Mapping[str, tuple[float, float]]:
    for path in files_below(folder):
        name = path.name.lower()
        if path.suffix.lower() == ".csv" and "emomusic" in name and "static_annotations" in name:
            return emomusic_ratings(path)
    return {}


def _check_no_copy(tables: Sequence[Sequence[CsvRow]], items: Sequence[str]) -> None:
    songs = sum(len({row.text("song_id") for row in rows}) for rows in tables)
    if songs != len(set(items)):
        names = " and ".join(rows[0].source.name for rows in tables)
        raise CorpusError(f"{names}: rate the same songs; remove the table that is a copy")


def _raters(row: CsvRow) -> int:
    number = row.text("song_id")
    late = number.isascii() and number.isdigit() and int(number) >= _LATE
    return _LATE_RATERS if late else _RATERS
