"""The cross-cultural experiment: fits on some groups of the clips, tested on the others.

A group is a value of any column that divides the clips, such as the culture of those who made or
rated them. Differences between groups are those of everything that comes with them (corpora, kinds
of sound, levels, raters), so a table is about culture only as far as the rest is alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.experiments.conditions import TrainingRecipe
from trainer.experiments.experiment_plan import ExperimentPlan, FitCondition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trainer.experiments.grouping import Grouping

CROSS_CULTURAL: Final = "cross-cultural"

OWN: Final = "its own group"
OTHERS: Final = "the other groups"
AS_MANY: Final = "as many of the others"
ALL: Final = "all groups"


def cross_cultural(grouping: Grouping) -> ExperimentPlan:
    """Return the plan for a grouping; all its fits are on clips that have a value."""

    def on(values: Iterable[str], as_many_as: str = "") -> TrainingRecipe:
        return TrainingRecipe(values=tuple(values), as_many_as=as_many_as)

    tested = grouping.tested
    others = {name: [each for each in grouping.known if each != name] for name in tested}
    conditions = [
        FitCondition(OWN, {name: on([name]) for name in tested}),
        FitCondition(OTHERS, {name: on(others[name]) for name in tested}),
        FitCondition(AS_MANY, {name: on(others[name], name) for name in tested}),
        FitCondition(ALL, dict.fromkeys(tested, on(grouping.known))),
        *(FitCondition(f"{each} alone", dict.fromkeys(tested, on([each]))) for each in tested),
    ]
    return ExperimentPlan(
        name=CROSS_CULTURAL,
        question=(
            f"By {grouping.column}: how well is each group of clips predicted by a fit on the "
            "other groups, and by one on its own?"
        ),
        conditions=conditions,
        compared=[(AS_MANY, OWN), (OTHERS, OWN), (ALL, OWN)],
        by_grouping=True,
    )
