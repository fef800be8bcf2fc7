"""Which corpora help each other: mixtures of them as training sets, tested on held-out sounds.

Class norms are weak labels, and music, soundscapes and everyday sounds may follow different rules.
docs/starter.md reports the results and the conclusions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.evaluation.cross_validation import OUTER_FOLDS, rank_agreement
from trainer.evaluation.scores import Estimate, estimate
from trainer.regression.folds import grouped_folds
from trainer.regression.kernel_expert import DIMENSIONS, KernelExpert

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from trainer.regression.kernel_expert import ExpertSettings
    from trainer.regression.training_table import TrainingTable

NORMED: Final = "naturalsounds"
COMPARED: Final = "sonancia"

SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "Natural Sounds": (NORMED,),
    "Natural Sounds, ESC-10": (NORMED, "esc10"),
    "Sonancia": (COMPARED,),
    "Natural Sounds, ESC-10, Sonancia": (NORMED, "esc10", COMPARED),
    "music": ("vgmidi", "emotify"),
    "music, Sonancia": ("vgmidi", "emotify", COMPARED),
    "everything": (NORMED, "esc10", COMPARED, "vgmidi", "emotify"),
}
"""Training sets for one expert without a gate."""


@dataclass(frozen=True, slots=True)
class MixingTest:
    """How well an expert fitted on the corpora of `source` orders held-out sounds of `target`.

    Spearman's rho for each dimension, with its 95 % bootstrap interval.
    """

    source: str
    target: str
    arousal: Estimate
    valence: Estimate


def mixing_tests(table: TrainingTable, settings: ExpertSettings, seed: int) -> list[MixingTest]:
    """Order the sounds of Natural Sounds and of Sonancia by one expert fitted on each mixture."""
    tests = []
    for target in (NORMED, COMPARED):
        rows = (table.corpus == target) & (table.domain == "sound")
        rated, group = table.ratings[rows], table.group[rows]
        for source, corpora in SOURCES.items():
            affect = _predict(table, np.isin(table.corpus, corpora), rows, settings, seed)
            arousal, valence = (
                estimate(rank_agreement, rated[:, dim], affect[:, dim], group, seed)
                for dim in range(len(DIMENSIONS))
            )
            tests.append(MixingTest(source, target, arousal, valence))
    return tests


def predict_within_domain(
    table: TrainingTable, settings: ExpertSettings, seed: int
) -> NDArray[np.float64]:
    """Predict every clip by an expert fitted on other groups of its own domain, shape (clips, 2).

    The folds are those of `cross_validate` with the same seed.
    """
    affect = np.empty(table.ratings.shape)
    for domain in ("music", "sound"):
        rows = table.domain == domain
        affect[rows] = _predict(table, rows, rows, settings, seed)
    return affect


def _predict(
    table: TrainingTable,
    train: NDArray[np.bool_],
    test: NDArray[np.bool_],
    settings: ExpertSettings,
    seed: int,
) -> NDArray[np.float64]:
    """Predict test clips by fits on training clips of other groups, shape (test clips, 2)."""
    folds = grouped_folds(table.corpus, table.group, OUTER_FOLDS, seed)
    affect = np.zeros((len(table), len(DIMENSIONS)))
    for fold in range(OUTER_FOLDS):
        out, rows = test & (folds == fold), np.flatnonzero(train & (folds != fold))
        expert = KernelExpert(table, table.ratings, rows, settings)
        affect[out] = expert.predict(expert.scale.scores(table.vectors[out]))[0]
    return affect[test]
