"""Sonancia: horror sounds, compared two at a time by arousal, valence and tension.

Lopes, Liapis and Yannakakis, Modelling affect for horror soundscapes, IEEE Transactions on
Affective Computing, 2017. CC BY 4.0.

People said which of two sounds has more. A Bradley-Terry model turns that into a place for each
sound; the places are brought to the centre and spread that ratings of such sounds have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from trainer.corpora.rated_clip import CorpusError, RatedClip
from trainer.corpora.tables.csv_tables import read_pairs, sound_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CORPUS = "sonancia"
LICENCE = "CC BY 4.0 (Lopes, Liapis and Yannakakis, 2017)"

# Centre and standard deviation in [-1, 1] of the 89 horror, suspense and thriller sounds of IADS-E.
AROUSAL_SCALE: Final = (0.07, 0.22)
VALENCE_SCALE: Final = (-0.19, 0.22)

# A rank from some twenty comparisons a sound (split-half reliability .59 and .71).
WEIGHT: Final = 0.5

# Keeps the place of a sound that won, or lost, every comparison finite: strengths are taken to be
# normal with variance 2 before anything is compared.
_PRIOR_PRECISION: Final = 0.5


def read_sonancia(corpora_dir: Path) -> list[RatedClip]:
    """Read the comparisons and place every sound that has a file.

    A group is a cluster of the corpus (the second number of a name), whose sounds are alike. One
    compared sound has no file; its comparisons still tell about the others.

    Raises:
        CorpusError: the comparisons or all sounds are missing, or a compared name is malformed.
    """
    places = {
        dimension: bradley_terry(read_comparisons(corpora_dir, dimension))
        for dimension in ("arousal", "valence")
    }
    present = [
        name
        for name in sorted(places["arousal"].keys() & places["valence"].keys())
        if (corpora_dir / CORPUS / "audio" / f"{name}.opus").is_file()
    ]
    if not present:
        raise CorpusError(f"{corpora_dir / CORPUS / 'audio'}: holds none of the compared sounds")
    arousal = _scaled([places["arousal"][name] for name in present], *AROUSAL_SCALE)
    valence = _scaled([places["valence"][name] for name in present], *VALENCE_SCALE)
    return [
        RatedClip(
            path=sound_path(corpora_dir, CORPUS, f"audio/{name}.opus"),
            corpus=CORPUS,
            domain="sound",
            follows="music",
            arousal=float(arousal[i]),
            valence=float(valence[i]),
            weight=WEIGHT,
            group=f"{CORPUS}:{cluster_of(name)}",
            licence=LICENCE,
        )
        for i, name in enumerate(present)
    ]


def read_comparisons(corpora_dir: Path, dimension: str) -> list[tuple[str, str]]:
    """Read which of two sounds was said to have more of a dimension; that one comes first.

    Raises:
        CorpusError: the comparisons are missing or malformed.
    """
    sheet = f"{dimension.capitalize()}_Preferences.csv"
    return read_pairs(corpora_dir / CORPUS / "pairs" / sheet)


def cluster_of(name: str) -> str:
    """Return the cluster in a sound's name, such as ``3`` in ``9_3_C3_35``.

    Raises:
        CorpusError: the name has no such part.
    """
    parts = name.split("_")
    if len(parts) != 4 or parts[2] != f"C{parts[1]}":  # noqa: PLR2004 - the form given above
        raise CorpusError(f"{CORPUS}: '{name}' is not a name of this corpus")
    return parts[1]


def bradley_terry(pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Place each name on a line so that the first of a pair tends to stand higher.

    The maximum of the posterior of Bradley and Terry (Biometrika 39, 1952) under a normal prior.

    Args:
        pairs: names, the preferred one first.

    Returns:
        The place of each name in logits, centred on 0.
    """
    names = sorted({name for pair in pairs for name in pair})
    index = {name: i for i, name in enumerate(names)}
    first = np.array([index[a] for a, _ in pairs])
    second = np.array([index[b] for _, b in pairs])

    def loss(places: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = places[first] - places[second]
        slope = -expit(-margin)
        gradient = _PRIOR_PRECISION * places
        np.add.at(gradient, first, slope)
        np.add.at(gradient, second, -slope)
        value = np.logaddexp(0.0, -margin).sum() + 0.5 * _PRIOR_PRECISION * places @ places
        return float(value), gradient

    places = minimize(loss, np.zeros(len(names)), jac=True, method="L-BFGS-B").x
    return dict(zip(names, (places - places.mean()).tolist(), strict=True))


def _scaled(places: Sequence[float], centre: float, spread: float) -> NDArray[np.float64]:
    line = np.asarray(places)
    deviation = float(line.std()) or 1.0
    scaled: NDArray[np.float64] = np.clip(
        centre + spread * (line - line.mean()) / deviation, -1.0, 1.0
    )
    return scaled
