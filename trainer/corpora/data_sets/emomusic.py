"""emoMusic: 744 excerpts of 45 s from the Free Music Archive, rated by ten people each.

Soleymani, Caro, Schmidt, Sha and Yang, 1000 songs for emotional analysis of music, CrowdMM 2013.
Ratings of whole excerpts on nine points (`static_annotations.csv`); 744 of 1000 songs remain
without duplicates (page of the data set at the University of Geneva). The number of raters follows
from the table: in 736 of its rows both means are multiples of 1/10. No licence of the ratings could
be found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.corpora.tables.csv_tables import read_rows
from trainer.corpora.tables.rating_rows import RatingColumns, RatingTable, rated_rows, rating_table
from trainer.corpora.tables.song_tables import artists_below, one_table, song_groups
from trainer.corpora.tables.sound_files import match_sounds, sounds_below
from trainer.rating_scale import RatingScale

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.corpora.import_request import ImportRequest

LICENCE: Final = (
    "ratings: none found (Soleymani et al., 2013); songs under the Creative Commons licence of each"
)
SCALE: Final = RatingScale(1.0, 9.0)
RATERS: Final = 10
COLUMNS: Final = RatingColumns(
    "song_id", "arousal_mean", "valence_mean", "arousal_std", "valence_std"
)


def read_emomusic(request: ImportRequest) -> RatingTable:
    """Read emoMusic from its folder: the ratings, and sounds named after the songs anywhere below.

    A group is an artist if a song table names it, else a song. DEAM gives the same songs the same
    numbers.

    Raises:
        CorpusError: ratings or sounds are missing, or the ratings are not valid.
    """
    folder = request.folder
    rows = one_table(folder, COLUMNS, other="deam")
    rated, skipped = rated_rows(rows, COLUMNS, lambda _: SCALE, lambda _: RATERS)
    sounds = sounds_below(folder, request.suffixes)
    return rating_table(
        rated,
        match_sounds(folder, sounds, {row.text("song_id") for row in rows}),
        song_groups(artists_below(folder), "freemusic"),
        corpus=request.name,
        licence=LICENCE,
        skipped=skipped,
    )


def emomusic_ratings(source: Path) -> dict[str, tuple[float, float]]:
    """Read emoMusic's table: arousal and valence of each song, in [-1, 1].

    Raises:
        CorpusError: it is not that table.
    """
    rows = read_rows(source, COLUMNS)
    rated, _ = rated_rows(rows, COLUMNS, lambda _: SCALE, lambda _: RATERS)
    return {row.item: (row.arousal, row.valence) for row in rated}
