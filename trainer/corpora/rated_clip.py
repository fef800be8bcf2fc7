"""The one shape that every corpus is brought to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from trainer.trainer_errors import TrainingError

Domain: TypeAlias = Literal["music", "sound"]


class CorpusError(TrainingError):
    """A corpus cannot be read as what it claims to be; nothing of it is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedClip:
    """One clip of a corpus and what people felt when they heard it.

    Attributes:
        path: the sound, relative to the folder that holds all corpora, with ``/`` between parts.
        corpus: name of the corpus.
        domain: music or sound.
        follows: the domain whose rules the ratings follow, which need not be the clip's own: the
            soundscapes of Sonancia are composed, and are rated like music.
        arousal: rated arousal in [-1, 1].
        valence: rated valence in [-1, 1].
        weight: how much this rating counts in a fit, in (0, 1]; 1 is a mean of some thirty raters.
        group: clips of one group share what makes them alike and are never split between folds.
        licence: the terms of the corpus, in one line.
    """

    path: str
    corpus: str
    domain: Domain
    follows: Domain
    arousal: float
    valence: float
    weight: float
    group: str
    licence: str

    def __post_init__(self) -> None:
        """Refuse what no reader may let through.

        Raises:
            CorpusError: a rating outside [-1, 1] or not a number, or a weight outside (0, 1].
        """
        for dimension in ("arousal", "valence"):
            rating = getattr(self, dimension)
            if not -1.0 <= rating <= 1.0:
                raise CorpusError(f"{self.path}: {dimension} {rating} is not in [-1, 1]")
        if not 0.0 < self.weight <= 1.0:
            raise CorpusError(f"{self.path}: weight {self.weight} is not in (0, 1]")
