"""The experiments: under which conditions is fitted, and which of them are compared."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from trainer.experiments.conditions import JOINT, TrainingRecipe, alone_on, mixture
from trainer.experiments.splits import domains_of
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from trainer.experiments.families import Families
    from trainer.regression.training_table import TrainingTable

SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""The paper's k and p."""

LEARNING_SHARES: Final = (0.1, 0.25, 0.5, 0.75, 1.0)

_OTHER: Final = {"music": "sound", "sound": "music"}


@dataclass(frozen=True, slots=True)
class FitCondition:
    """One way to predict every held-out clip.

    Attributes:
        name: of it, unique in its experiment.
        recipes: what is fitted to predict the clips of each domain.
        line: the line of a plot it is a point of; empty if it is none.
        at: where on that line, in [0, 1].
        family: the family of descriptors that is permuted when it is asked; empty if none is.
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
        compared: pairs of their names; the first is asked to err less than the second.
        shown: names of the conditions whose single predictions are shown.
        axis: what the places on the lines mean.
        searched: whether the pairs are looked through for any that differ, so that p must allow for
            all of them.
    """

    name: str
    question: str
    conditions: list[FitCondition]
    compared: list[tuple[str, str]] = field(default_factory=list)
    shown: tuple[str, ...] = ()
    axis: str = ""
    searched: bool = False

    @property
    def recipes(self) -> Iterable[TrainingRecipe]:
        """All that must be fitted, repetitions included."""
        return (each for condition in self.conditions for each in condition.recipes.values())


def plan_of(name: str, table: TrainingTable, families: Families) -> ExperimentPlan:
    """Return the plan of an experiment for the clips at hand.

    Args:
        name: one of `EXPERIMENTS`.
        table: rated clips.
        families: of the descriptors, for the ablation.

    Raises:
        TrainingError: it needs both domains, and one is missing.
    """
    domains = domains_of(table)
    if name in _BOTH_DOMAINS and len(domains) < 2:  # noqa: PLR2004 - there are two domains
        have = domains[0] if domains else "nothing"
        raise TrainingError(
            f"{name} needs rated clips of music and of sound, and there is {have} only; add a "
            f"corpus of {_OTHER.get(have, 'each')}, or choose --experiment single-domain"
        )
    return EXPERIMENTS[name](table, families)


def _alone(table: TrainingTable) -> dict[str, TrainingRecipe]:
    return {domain: alone_on(domain, table) for domain in domains_of(table)}


def _single_domain(table: TrainingTable, _: Families) -> ExperimentPlan:
    return ExperimentPlan(
        name="single-domain",
        question="How well is each domain predicted by what was fitted on it alone?",
        conditions=[FitCondition("alone", _alone(table))],
        shown=("alone",),
    )


def _joint(table: TrainingTable, _: Families) -> ExperimentPlan:
    both = dict.fromkeys(domains_of(table), JOINT)
    return ExperimentPlan(
        name="joint",
        question="Does one fit on both domains predict each better than a fit on it alone?",
        conditions=[FitCondition("joint", both), FitCondition("alone", _alone(table))],
        compared=[("joint", "alone")],
        shown=("joint",),
    )


def _cross_domain(table: TrainingTable, _: Families) -> ExperimentPlan:
    other = {domain: alone_on(_OTHER[domain], table) for domain in domains_of(table)}
    return ExperimentPlan(
        name="cross-domain",
        question="How well is each domain predicted by what was fitted on the other one only?",
        conditions=[FitCondition("the other domain", other), FitCondition("alone", _alone(table))],
        compared=[("the other domain", "alone")],
        shown=("the other domain",),
    )


def _mixing(table: TrainingTable, _: Families) -> ExperimentPlan:
    conditions = [
        FitCondition(
            name=f"{own:g} own + {added:g} other",
            recipes={
                domain: mixture(**{domain: own, _OTHER[domain]: added})
                for domain in domains_of(table)
            },
            line=f"{own:g} of its own",
            at=added,
        )
        for own in SHARES
        for added in SHARES
        if own or added
    ]
    return ExperimentPlan(
        name="mixing",
        question="What does it give to add the other domain to the training part, share by share?",
        conditions=conditions,
        compared=[
            (f"{own:g} own + 1 other", f"{own:g} own + 0 other") for own in reversed(SHARES[1:])
        ],
        axis="share of the other domain added",
    )


def _constant_size(table: TrainingTable, _: Families) -> ExperimentPlan:
    conditions = [
        FitCondition(
            name=f"{share:g} other",
            recipes={
                "sound": TrainingRecipe(sound=1 - share, music=share, constant=True),
                "music": TrainingRecipe(sound=share, music=1 - share, constant=True),
            },
            line="constant total",
            at=share,
        )
        for share in SHARES
    ]
    del table
    return ExperimentPlan(
        name="constant-size",
        question="With as many clips in all, can the other domain stand in for its own?",
        conditions=conditions,
        compared=[(f"{share:g} other", "0 other") for share in SHARES[1:]],
        axis="share of the other domain in a constant total",
    )


def _shuffled_control(table: TrainingTable, _: Families) -> ExperimentPlan:
    def conditions(*, shuffled: bool) -> list[FitCondition]:
        return [
            FitCondition(
                name=f"{added:g} other{', shuffled' if shuffled else ''}",
                recipes={
                    "sound": TrainingRecipe(music=added, shuffled="music")
                    if shuffled
                    else mixture(sound=1.0, music=added),
                    "music": TrainingRecipe(sound=added, shuffled="sound")
                    if shuffled
                    else mixture(sound=added, music=1.0),
                },
                line="its ratings shuffled" if shuffled else "its own ratings",
                at=added,
            )
            for added in SHARES
            if added or not shuffled
        ]

    del table
    return ExperimentPlan(
        name="shuffled-control",
        question="Is it the ratings of the other domain that help, or merely more clips?",
        conditions=conditions(shuffled=False) + conditions(shuffled=True),
        compared=[
            ("1 other", "1 other, shuffled"),
            ("1 other", "0 other"),
            ("1 other, shuffled", "0 other"),
        ],
        axis="share of the other domain added",
    )


def _ablation(table: TrainingTable, families: Families) -> ExperimentPlan:
    domains = domains_of(table)

    def all_by(recipe: TrainingRecipe) -> dict[str, TrainingRecipe]:
        return dict.fromkeys(domains, recipe)

    asked = TrainingRecipe(permuted=True)
    conditions = [FitCondition("everything", all_by(asked))]
    conditions += [
        FitCondition(f"permuted: {family}", all_by(asked), line="permuted", family=family)
        for family in families
    ]
    conditions += [
        FitCondition(f"without: {family}", all_by(TrainingRecipe(without=family)), line="without")
        for family in families
    ]
    conditions += [
        FitCondition(f"only: {family}", all_by(TrainingRecipe(only=family)), line="only")
        for family in families
    ]
    return ExperimentPlan(
        name="ablation",
        question="Which families of descriptors does the joint fit rest on?",
        conditions=conditions,
        compared=[(f"without: {family}", "everything") for family in families],
        searched=True,
    )


def _learning_curve(table: TrainingTable, _: Families) -> ExperimentPlan:
    domains = domains_of(table)
    conditions = []
    for share in LEARNING_SHARES:
        whole = share == 1.0
        joint = JOINT if whole else TrainingRecipe(groups=share)
        conditions.append(
            FitCondition(f"joint, {share:g}", dict.fromkeys(domains, joint), "joint", share)
        )
        if len(domains) > 1:
            alone = {
                domain: alone_on(domain, table)
                if whole
                else replace(alone_on(domain, table), groups=share, intervals=False)
                for domain in domains
            }
            conditions.append(FitCondition(f"alone, {share:g}", alone, "alone", share))
    return ExperimentPlan(
        name="learning-curve",
        question="Would more clips help, and for how long?",
        conditions=conditions,
        axis="share of the groups that were fitted on",
    )


EXPERIMENTS: Final[Mapping[str, Callable[[TrainingTable, Families], ExperimentPlan]]] = {
    "single-domain": _single_domain,
    "joint": _joint,
    "mixing": _mixing,
    "constant-size": _constant_size,
    "shuffled-control": _shuffled_control,
    "cross-domain": _cross_domain,
    "ablation": _ablation,
    "learning-curve": _learning_curve,
}
"""By name, in the order in which they are reported; each makes its plan."""

_BOTH_DOMAINS: Final = {"joint", "mixing", "constant-size", "shuffled-control", "cross-domain"}
