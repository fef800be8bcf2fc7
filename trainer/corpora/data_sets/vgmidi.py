"""VGMIDI: two hundred pieces of video game music, each rated by some thirty people.

Ferreira and Whitehead, Learning to generate music with sentiment, ISMIR 2019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.corpora.rated_clip import RatedClip
from trainer.corpora.tables.csv_tables import read_rows, sound_path

if TYPE_CHECKING:
    from pathlib import Path

CORPUS = "vgmidi"
LICENCE = "no licence stated; ratings and pieces of VGMIDI (Ferreira and Whitehead, ISMIR 2019)"


def read_vgmidi(corpora_dir: Path) -> list[RatedClip]:
    """Read the ratings, which are already in [-1, 1].

    A group is a game series, whose pieces share composers, themes and instruments.

    Raises:
        CorpusError: the table or a rated sound is missing, or a rating is not valid.
    """
    source = corpora_dir / CORPUS / "ratings.csv"
    rows = read_rows(source, ("path", "arousal", "valence", "group"), unique="path")
    return [
        RatedClip(
            path=sound_path(corpora_dir, CORPUS, row.text("path")),
            corpus=CORPUS,
            domain="music",
            arousal=row.number("arousal", -1.0, 1.0),
            valence=row.number("valence", -1.0, 1.0),
            weight=1.0,
            group=f"{CORPUS}:{row.text('group')}",
            licence=LICENCE,
        )
        for row in rows
    ]
