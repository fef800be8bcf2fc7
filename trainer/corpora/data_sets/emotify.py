"""Emotify: four hundred tracks in four genres and the feelings listeners ticked for each.

Aljanaki, Wiering and Veltkamp, Studying emotion induced by music through a crowdsourcing game,
Information Processing and Management, 2016.

Nobody rated arousal or valence here. The shares of listeners who felt each of nine emotions of the
Geneva Emotional Music Scale (GEMS) are summed, with signs, into a proxy for each, and the proxies
are brought to the centre and spread that ratings of music have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.corpora.rated_clip import CorpusError, RatedClip
from trainer.corpora.tables.csv_tables import CsvRow, read_rows, refuse_doubles, sound_path

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
    "joyful_activation": 1,
    "power": 1,
    "tension": 1,
    "calmness": -1,
    "tenderness": -1,
    "sadness": -1,
}
VALENCE_SIGNS: Final[Mapping[str, int]] = {
    "joyful_activation": 1,
    "tenderness": 1,
    "calmness": 1,
    "amazement": 1,
    "tension": -1,
    "sadness": -1,
}

# Centre and standard deviation of arousal and of valence in [-1, 1], rounded means over the rated
# music whose figures are published: VGMIDI, emoMusic, DEAM, PMEmo, and the music of IADS-E.
AROUSAL_SCALE: Final = (0.05, 0.32)
VALENCE_SCALE: Final = (0.13, 0.28)

# Median 14 listeners tick a box, against VGMIDI's 30 who place a mark on a scale; and a proxy's
# split-half reliability is .91 (arousal) and .72 (valence), against .94 and .93.
WEIGHT: Final = 0.7


def read_emotify(corpora_dir: Path) -> list[RatedClip]:
    """Read the shares and turn them into proxies of arousal and valence.

    Each track is a group of its own: the corpus names no artist or album.

    Raises:
        CorpusError: the table or a rated track is missing, or a share is no share.
    """
    source = corpora_dir / CORPUS / "gems.csv"
    shares = {*AROUSAL_SIGNS, *VALENCE_SIGNS}
    rows = read_rows(source, ("path", *sorted(shares)))
    refuse_doubles(source, [row.text("path") for row in rows])
    arousal = _scaled(_proxy(rows, AROUSAL_SIGNS), *AROUSAL_SCALE, source)
    valence = _scaled(_proxy(rows, VALENCE_SIGNS), *VALENCE_SCALE, source)
    return [
        RatedClip(
            path=sound_path(corpora_dir, CORPUS, row.text("path")),
            corpus=CORPUS,
            domain="music",
            follows="music",
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


def _scaled(
    proxy: NDArray[np.float64], centre: float, spread: float, source: Path
) -> NDArray[np.float64]:
    deviation = float(proxy.std())
    if deviation == 0.0:
        raise CorpusError(
            f"{source}: every track has the same shares, so there is nothing to learn"
        )
    scaled: NDArray[np.float64] = np.clip(
        centre + spread * (proxy - proxy.mean()) / deviation, -1.0, 1.0
    )
    return scaled
