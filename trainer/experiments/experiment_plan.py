"""The form of an experiment: its conditions, and which of these are compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from trainer.experiments.conditions import TrainingRecipe


@dataclass(frozen=True, slots=True)
class FitCondition:
    """One way to predict every held-out clip.

    Attributes:
        name: unique in the experiment.
        recipes: what is fitted to predict the clips of each kind, or with each value.
        line: the line of a plot that it is a point of; empty if none.
        at: its position on that line, in [0, 1].
        family: the family of descriptors that is permuted for predicting; empty if none.
    """

    name: str
    recipes: Mapping[str, TrainingRecipe]
    line: str = ""
    at: float = 0.0
    family: str = ""


@dataclass(frozen=True, slots=True)
class ExperimentPlan:
    """One experiment.

    Attributes:
        name: as on the command line.
        question: that it answers.
        conditions: all of them.
        compared: pairs of their names; the test is whether the first has smaller errors.
        shown: names of the conditions whose single predictions are shown.
        axis: label of the positions on the lines.
        searched: whether any pair may be reported, so that p is corrected for all of them.
        reference: the condition that the fall of R2 of all others is given against; may be empty.
        best_of: conditions of which the best in each cell is compared with the first condition.
        by_grouping: whether it tests on the clips with each value of the grouping column, not on
            those of each kind.
    """

    name: str
    question: str
    conditions: list[FitCondition]
    compared: list[tuple[str, str]] = field(default_factory=list)
    shown: tuple[str, ...] = ()
    axis: str = ""
    searched: bool = False
    reference: str = ""
    best_of: tuple[str, ...] = ()
    by_grouping: bool = False

    @property
    def recipes(self) -> Iterable[TrainingRecipe]:
        """All that must be fitted, with repetitions."""
        return (each for condition in self.conditions for each in condition.recipes.values())
