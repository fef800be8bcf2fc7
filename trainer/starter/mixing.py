"""Which clips may be learned from together: tests on sounds that the fit has not met.

Class norms are weak labels, and music, soundscapes and everyday sounds may follow different rules.
So each mixture is tried on other sounds: leaving out every group of clips that shares a norm, or a
whole corpus. What follows from the answers stands in docs/starter.md.
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
"""Mixtures of corpora that one expert, without a gate, is fitted on."""


@dataclass(frozen=True, slots=True)
class MixingTest:
    """How well a mixture orders sounds of groups it has not met.

    Attributes:
        source: what the expert was fitted on.
        target: corpus of the sounds to be ordered.
        arousal: Spearman's rho with its 95 % bootstrap interval.
        valence: likewise.
    """

    source: str
    target: str
    arousal: Estimate
    valence: Estimate


def mixing_tests(table: TrainingTable, settings: ExpertSettings, seed: int) -> list[MixingTest]:
    """Order the sounds of Natural Sounds and of Sonancia by every mixture.

    Args:
        table: with all corpora of the starter.
        settings: of the single expert that is fitted on each mixture.
        seed: of folds and intervals.
    """
    tests = []
    for target in (NORMED, COMPARED):
        asked = (table.corpus == target) & (table.domain == "sound")
        for source, corpora in SOURCES.items():
            affect = _ordered(table, np.isin(table.corpus, corpora), asked, settings, seed)
            rho = [
                estimate(
                    rank_agreement,
                    table.ratings[asked, dim],
                    affect[:, dim],
                    table.group[asked],
                    seed,
                )
                for dim in range(len(DIMENSIONS))
            ]
            tests.append(MixingTest(source, target, rho[0], rho[1]))
    return tests


def alone(table: TrainingTable, settings: ExpertSettings, seed: int) -> NDArray[np.float64]:
    """Predict every clip by an expert that was fitted on other clips of its domain only.

    Args:
        table: with all corpora of the starter.
        settings: of that expert.
        seed: of the folds, which are those of `cross_validate`.

    Returns:
        Shape (clips, 2).
    """
    affect = np.empty(table.ratings.shape)
    for domain in ("music", "sound"):
        rows = table.domain == domain
        affect[rows] = _ordered(table, rows, rows, settings, seed)
    return affect


def _ordered(
    table: TrainingTable,
    known: NDArray[np.bool_],
    asked: NDArray[np.bool_],
    settings: ExpertSettings,
    seed: int,
) -> NDArray[np.float64]:
    """Predict the asked clips by fits on known clips of other groups, shape (asked, 2)."""
    folds = grouped_folds(table.corpus, table.group, OUTER_FOLDS, seed)
    affect = np.zeros((len(table), len(DIMENSIONS)))
    for fold in range(OUTER_FOLDS):
        out = asked & (folds == fold)
        expert = KernelExpert(
            table, table.ratings, np.flatnonzero(known & (folds != fold)), settings
        )
        affect[out] = expert.predict(expert.scale.scores(table.vectors[out]))[0]
    return affect[asked]
