"""PMEmo: the choruses of 794 pop songs, 767 of them rated, by at least ten people each.

Zhang, Zhang, Li, Yang and Sun, The PMEmo Dataset for Music Emotion Recognition, ICMR 2018. The
ratings are published from 0 to 1 (`static_annotations.csv`). The table shows that they were given
on nine points by ten people: 747 of its 767 rows are multiples of 1/80, the others of 1/88, which
is eleven. Its authors call it available to the research community and state no licence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.corpora.rated_clip import CorpusError
from trainer.corpora.tables.rating_rows import RatingColumns, RatingTable, rated_rows, rating_table
from trainer.corpora.tables.song_tables import artists_below, one_table, song_groups
from trainer.corpora.tables.sound_files import files_below, match_sounds, sounds_below
from trainer.rating_scale import RatingScale

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.corpora.import_request import ImportRequest

LICENCE: Final = "for research; no licence stated (Zhang et al., ICMR 2018)"
SCALE: Final = RatingScale(0.0, 1.0)
RATERS: Final = 10

_COLUMNS: Final = RatingColumns("musicId", "Arousal(mean)", "Valence(mean)")


def read_pmemo(request: ImportRequest) -> RatingTable:
    """Read PMEmo from its folder: the ratings, the song table, and the sounds under `chorus/`.

    Its `static_features.csv` cannot replace the sounds: it describes whole choruses at another
    sampling rate, and features of different settings must never be mixed.

    A group is an artist, or a song of unknown artist.

    Raises:
        CorpusError: ratings or sounds are missing, or the ratings are not valid.
    """
    folder = request.folder
    rows = one_table(folder, _COLUMNS[:3])
    rated, skipped = rated_rows(rows, _COLUMNS, lambda _: SCALE, lambda _: RATERS)
    sounds = sounds_below(_chorus(folder), request.suffixes)
    artists = artists_below(folder)
    unknown = f"no metadata.csv beside {rows[0].source.name}: each song is its own group"
    return rating_table(
        rated,
        match_sounds(folder, sounds, {row.text("musicId") for row in rows}),
        song_groups(artists, "pmemo"),
        corpus=request.name,
        licence=LICENCE,
        skipped=skipped,
        notes=() if artists else (unknown,),
    )


def _chorus(folder: Path) -> Path:
    for path in (folder / "chorus", *sorted(folder.glob("*/chorus"))):
        if path.is_dir():
            return path
    if any(path.name == "static_features.csv" for path in files_below(folder)):
        raise CorpusError(
            f"{folder}: no folder chorus/; static_features.csv cannot replace it, because it was "
            "made at another sampling rate and of whole choruses; ask the authors for the sounds"
        )
    raise CorpusError(f"{folder}: no folder chorus/ with the songs' sounds, such as chorus/1.mp3")
