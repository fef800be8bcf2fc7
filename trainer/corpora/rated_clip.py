"""A rated clip: the common form of all corpora."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Domain: TypeAlias = Literal["music", "voice", "sound"]


class CorpusError(TrainingError):
    """A corpus is not what it should be; nothing of it is imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedClip:
    """One clip of a corpus with its rating.

    Attributes:
        path: of the sound, relative to the folder of all corpora, with ``/`` between parts.
        corpus: name of the corpus.
        domain: the kind of sound: music, voice or (everyday) sound.
        arousal: in [-1, 1].
        valence: in [-1, 1].
        weight: of the rating in a fit, in (0, 1]; 1 is a mean of some thirty raters.
        group: clips of one group are similar, and never split between folds.
        licence: the terms of the corpus, in one line.

    Raises:
        CorpusError: a rating outside [-1, 1] or not a number, or a weight outside (0, 1].
    """

    path: str
    corpus: str
    domain: Domain
    arousal: float
    valence: float
    weight: float
    group: str
    licence: str

    def __post_init__(self) -> None:
        for dimension in ("arousal", "valence"):
            rating = getattr(self, dimension)
            if not -1.0 <= rating <= 1.0:
                raise CorpusError(f"{self.path}: {dimension} {rating} is not in [-1, 1]")
        if not 0.0 < self.weight <= 1.0:
            raise CorpusError(f"{self.path}: weight {self.weight} is not in (0, 1]")


def rescaled(values: NDArray[np.float64], mean: float, deviation: float) -> NDArray[np.float64]:
    """Return values with a given mean and standard deviation, clipped to [-1, 1]."""
    spread = float(values.std()) or 1.0
    scaled: NDArray[np.float64] = np.clip(
        mean + deviation * (values - values.mean()) / spread, -1.0, 1.0
    )
    return scaled
