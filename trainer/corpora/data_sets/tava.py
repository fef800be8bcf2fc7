"""TAVA: acted speech, 22 speakers with sixteen affects each, rated by hundreds of people.

Gomez-Canon, Noufi, Berger, Parker and Bowling, WASPAA 2025; the repository is under AGPL-3.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainer.corpora.rated_clip import RatedClip
from trainer.corpora.tables.csv_tables import read_rows, sound_path

if TYPE_CHECKING:
    from pathlib import Path

CORPUS = "tava"
LICENCE = "AGPL-3.0 (Gomez-Canon, Noufi, Berger, Parker and Bowling, WASPAA 2025)"


def read_tava(corpora_dir: Path) -> list[RatedClip]:
    """Read the ratings, which are already in [-1, 1].

    A group is a speaker.

    Raises:
        CorpusError: the table or a rated sound is missing, or a rating is not valid.
    """
    source = corpora_dir / CORPUS / "ratings.csv"
    return [
        RatedClip(
            path=sound_path(corpora_dir, CORPUS, row.text("path")),
            corpus=CORPUS,
            domain="voice",
            arousal=row.number("arousal", -1.0, 1.0),
            valence=row.number("valence", -1.0, 1.0),
            weight=1.0,
            group=f"{CORPUS}:{row.text('speaker')}",
            licence=LICENCE,
        )
        for row in read_rows(source, ("path", "speaker", "arousal", "valence"), unique="path")
    ]
