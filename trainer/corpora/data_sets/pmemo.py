"""PMEmo: the choruses of 794 pop songs, rated by at least ten people each; 767 have whole ratings.

Zhang, Zhang, Li, Yang and Sun, The PMEmo Dataset for Music Emotion Recognition, ICMR 2018. The
ratings are published from 0 to 1 (`static_annotations.csv`). The table itself says that they were
given on nine points, and by ten people: 747 of its 767 rows are whole multiples of 1/80, the others
of 1/88, which is eleven. Its authors call it available to the research community and state no
licence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.corpora.rated_clip import CorpusError
from trainer.corpora.tables.rating_rows import (
    RatedRow,
    RatingColumns,
    RatingTable,
    RowGroups,
    RowOrigin,
    clips_of,
    rated_rows,
    reading_of,
    unrated_files,
)
from trainer.corpora.tables.song_tables import artists_below, one_table
from trainer.corpora.tables.sound_files import files_below, named_after, sounds_below
from trainer.rating_scale import RatingScale

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.corpora.import_request import ImportRequest
    from trainer.corpora.tables.csv_tables import CsvRow

LICENCE: Final = "for research; no licence stated (Zhang et al., ICMR 2018)"
SCALE: Final = RatingScale(0.0, 1.0)
RATERS: Final = 10

_COLUMNS: Final = RatingColumns("musicId", "Arousal(mean)", "Valence(mean)")


def read_pmemo(request: ImportRequest) -> RatingTable:
    """Read PMEmo from its folder: the ratings, the song table, and the sounds under `chorus/`.

    Its own `static_features.csv` is no way round the sounds: it describes whole choruses at another
    sampling rate, and features of different hearings must never be mixed.

    A group is an artist, or a song whose artist is not known.

    Raises:
        CorpusError: ratings or sounds are missing, or the ratings are not what they should be.
    """
    folder = request.folder
    rows = one_table(folder, _COLUMNS[:3])
    rated, skipped = rated_rows(rows, _COLUMNS, lambda _: SCALE, lambda _: RATERS)
    sounds = sounds_below(_chorus(folder), request.suffixes)
    files, unclaimed = named_after(folder, sounds, {row.text("musicId") for row in rows})
    artists = artists_below(folder)

    def belonging(row: RatedRow) -> RowGroups:
        artist = artists.get(row.item)
        group = f"song:{row.item}" if artist is None else f"artist:{artist}"
        return RowGroups("music", f"pmemo:{group}")

    taken, unheard = clips_of(rated, files, RowOrigin(request.name, LICENCE), belonging)
    notes = () if artists else (_no_artists(rows),)
    return reading_of(taken, (*skipped, *unheard, *unrated_files(unclaimed)), notes=notes)


def _chorus(folder: Path) -> Path:
    for place in (folder / "chorus", *sorted(folder.glob("*/chorus"))):
        if place.is_dir():
            return place
    if any(path.name == "static_features.csv" for path in files_below(folder)):
        raise CorpusError(
            f"{folder}: no folder chorus/; static_features.csv cannot stand in for it, because "
            "it was made at another sampling rate and of whole choruses;"
            " ask the authors for the sounds"
        )
    raise CorpusError(f"{folder}: no folder chorus/ with the songs' sounds, such as chorus/1.mp3")


def _no_artists(rows: list[CsvRow]) -> str:
    return f"no metadata.csv beside {rows[0].source.name}: each song is a group of its own"
