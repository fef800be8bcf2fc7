"""Sonancia: horror sounds, compared two at a time by arousal, valence and tension.

Lopes, Liapis and Yannakakis, Modelling affect for horror soundscapes, IEEE Transactions on
Affective Computing, 2017. CC BY 4.0.

Listeners chose which of two sounds has more of a dimension. A Bradley-Terry model estimates a
strength for each sound; the strengths are scaled to the usual mean and standard deviation of
ratings of such sounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from trainer.corpora.rated_clip import CorpusError, RatedClip, rescaled
from trainer.corpora.tables.csv_tables import read_pairs, sound_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CORPUS = "sonancia"
LICENCE = "CC BY 4.0 (Lopes, Liapis and Yannakakis, 2017)"

# Mean and standard deviation in [-1, 1] of the 89 horror, suspense and thriller sounds of IADS-E.
AROUSAL_SCALE: Final = (0.07, 0.22)
VALENCE_SCALE: Final = (-0.19, 0.22)

# A rank from about twenty comparisons a sound (split-half reliability .59 and .71).
WEIGHT: Final = 0.5

# A normal prior of variance 2 keeps the strength of a sound that won or lost every comparison
# finite.
_PRIOR_PRECISION: Final = 0.5


def read_sonancia(corpora_dir: Path) -> list[RatedClip]:
    """Read the comparisons and rate every sound that has a file.

    A group is a cluster of the corpus (the second number of a name), whose sounds are similar. One
    compared sound has no file; its comparisons still contribute to the others.

    Raises:
        CorpusError: the comparisons or all sounds are missing, or a compared name is malformed.
    """
    arousal_of, valence_of = (
        bradley_terry(read_comparisons(corpora_dir, dimension))
        for dimension in ("arousal", "valence")
    )
    present = [
        name
        for name in sorted(arousal_of.keys() & valence_of.keys())
        if (corpora_dir / CORPUS / "audio" / f"{name}.opus").is_file()
    ]
    if not present:
        raise CorpusError(f"{corpora_dir / CORPUS / 'audio'}: holds none of the compared sounds")
    arousal = rescaled(np.array([arousal_of[name] for name in present]), *AROUSAL_SCALE)
    valence = rescaled(np.array([valence_of[name] for name in present]), *VALENCE_SCALE)
    return [
        RatedClip(
            path=sound_path(corpora_dir, CORPUS, f"audio/{name}.opus"),
            corpus=CORPUS,
            domain="sound",
            arousal=float(arousal[i]),
            valence=float(valence[i]),
            weight=WEIGHT,
            group=f"{CORPUS}:{cluster_of(name)}",
            licence=LICENCE,
        )
        for i, name in enumerate(present)
    ]


def read_comparisons(corpora_dir: Path, dimension: str) -> list[tuple[str, str]]:
    """Read the comparisons of a dimension; of each pair, the sound with more of it comes first.

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
    """Estimate the strength of each name from pairs, the preferred name first.

    The maximum of the posterior of Bradley and Terry (Biometrika 39, 1952) under a normal prior, in
    logits, centred on 0.
    """
    names = sorted({name for pair in pairs for name in pair})
    index = {name: i for i, name in enumerate(names)}
    first = np.array([index[a] for a, _ in pairs])
    second = np.array([index[b] for _, b in pairs])

    def loss(strengths: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = strengths[first] - strengths[second]
        slope = -expit(-margin)
        gradient = _PRIOR_PRECISION * strengths
        np.add.at(gradient, first, slope)
        np.add.at(gradient, second, -slope)
        prior = 0.5 * _PRIOR_PRECISION * strengths @ strengths
        return float(np.logaddexp(0.0, -margin).sum() + prior), gradient

    strengths = minimize(loss, np.zeros(len(names)), jac=True, method="L-BFGS-B").x
    return dict(zip(names, (strengths - strengths.mean()).tolist(), strict=True))
