"""Emotify: four hundred tracks in four genres, with the emotions that listeners ticked for each.

Aljanaki, Wiering and Veltkamp, Studying emotion induced by music through a crowdsourcing game,
Information Processing and Management, 2016.

It has no ratings of arousal or valence. The shares of listeners who felt each of nine emotions of
the Geneva Emotional Music Scale (GEMS) are summed, with signs, into a proxy for each dimension, and
the proxies are scaled to the usual mean and standard deviation of music ratings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.corpora.rated_clip import CorpusError, RatedClip, rescaled
from trainer.corpora.tables.csv_tables import CsvRow, read_rows, sound_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

CORPUS = "emotify"
LICENCE = (
    "offered for research (Aljanaki, Wiering and Veltkamp, 2016); "
    "tracks of Magnatune under CC BY-NC-SA"
)

AROUSAL_SIGNS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("joyful_activation", "power", "tension"), 1),
    **dict.fromkeys(("calmness", "tenderness", "sadness"), -1),
}
VALENCE_SIGNS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("joyful_activation", "tenderness", "calmness", "amazement"), 1),
    **dict.fromkeys(("tension", "sadness"), -1),
}

# Mean and standard deviation in [-1, 1], rounded averages over rated music with published figures:
# VGMIDI, emoMusic, DEAM, PMEmo, and the music of IADS-E.
AROUSAL_SCALE: Final = (0.05, 0.32)
VALENCE_SCALE: Final = (0.13, 0.28)

# A median of 14 listeners, who tick boxes, against 30 of VGMIDI, who rate on a scale. The
# split-half reliability of the proxies is .91 (arousal) and .72 (valence), against .94 and .93.
WEIGHT: Final = 0.7


def read_emotify(corpora_dir: Path) -> list[RatedClip]:
    """Read the shares and compute proxies of arousal and valence.

    Each track is its own group: the corpus names no artist or album.

    Raises:
        CorpusError: the table or a rated track is missing, or a share is not valid.
    """
    source = corpora_dir / CORPUS / "gems.csv"
    shares = {*AROUSAL_SIGNS, *VALENCE_SIGNS}
    rows = read_rows(source, ("path", *sorted(shares)), unique="path")
    arousal, valence = _proxy(rows, AROUSAL_SIGNS), _proxy(rows, VALENCE_SIGNS)
    if not (arousal.std() and valence.std()):
        raise CorpusError(f"{source}: all tracks have the same shares; there is nothing to learn")
    arousal, valence = rescaled(arousal, *AROUSAL_SCALE), rescaled(valence, *VALENCE_SCALE)
    return [
        RatedClip(
            path=sound_path(corpora_dir, CORPUS, row.text("path")),
            corpus=CORPUS,
            domain="music",
            arousal=float(arousal[i]),
            valence=float(valence[i]),
            weight=WEIGHT,
            group=f"{CORPUS}:{row.text('path')}",
            licence=LICENCE,
        )
        for i, row in enumerate(rows)
    ]


def _proxy(rows: list[CsvRow], signs: Mapping[str, int]) -> NDArray[np.float64]:
    return np.array(
        [sum(sign * row.number(name, 0.0, 1.0) for name, sign in signs.items()) for row in rows]
    )
