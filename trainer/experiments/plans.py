"""The experiments: their conditions, and which of these are compared."""

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
        name: unique in the experiment.
        recipes: what is fitted to predict the clips of each domain.
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
    """

    name: str
    question: str
    conditions: list[FitCondition]
    compared: list[tuple[str, str]] = field(default_factory=list)
    shown: tuple[str, ...] = ()
    axis: str = ""
    searched: bool = False
    reference: str = ""

    @property
    def recipes(self) -> Iterable[TrainingRecipe]:
        """All that must be fitted, with repetitions."""
        return (each for condition in self.conditions for each in condition.recipes.values())


def plan_of(name: str, table: TrainingTable, families: Families) -> ExperimentPlan:
    """Return the plan of one of `EXPERIMENTS` for the given clips and families of descriptors.

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


def _alone(table: TrainingTable) -> FitCondition:
    return FitCondition("alone", {name: alone_on(name, table) for name in domains_of(table)})


def _single_domain(table: TrainingTable, _: Families) -> ExperimentPlan:
    return ExperimentPlan(
        name="single-domain",
        question="How well is each domain predicted by a fit on that domain alone?",
        conditions=[_alone(table)],
        shown=("alone",),
    )


def _joint(table: TrainingTable, _: Families) -> ExperimentPlan:
    both = dict.fromkeys(domains_of(table), JOINT)
    return ExperimentPlan(
        name="joint",
        question="Does one fit on both domains predict each better than a fit on it alone?",
        conditions=[FitCondition("joint", both), _alone(table)],
        compared=[("joint", "alone")],
        shown=("joint",),
    )


def _cross_domain(table: TrainingTable, _: Families) -> ExperimentPlan:
    other = {domain: alone_on(_OTHER[domain], table) for domain in domains_of(table)}
    return ExperimentPlan(
        name="cross-domain",
        question="How well is each domain predicted by a fit on the other domain alone?",
        conditions=[FitCondition("the other domain", other), _alone(table)],
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
        question="How does adding the other domain to the training part, share by share, help?",
        conditions=conditions,
        compared=[
            (f"{own:g} own + 1 other", f"{own:g} own + 0 other") for own in reversed(SHARES[1:])
        ],
        axis="share of the other domain added",
    )


def _constant_size(_: TrainingTable, __: Families) -> ExperimentPlan:
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
    return ExperimentPlan(
        name="constant-size",
        question="With a constant number of clips, can the other domain replace a domain's own?",
        conditions=conditions,
        compared=[(f"{share:g} other", "0 other") for share in SHARES[1:]],
        axis="share of the other domain in a constant total",
    )


def _shuffled_control(_: TrainingTable, __: Families) -> ExperimentPlan:
    plain = [
        FitCondition(
            name=f"{added:g} other",
            recipes={
                "sound": mixture(sound=1.0, music=added),
                "music": mixture(sound=added, music=1.0),
            },
            line="its own ratings",
            at=added,
        )
        for added in SHARES
    ]
    shuffled = [
        FitCondition(
            name=f"{added:g} other, shuffled",
            recipes={
                "sound": TrainingRecipe(music=added, shuffled="music"),
                "music": TrainingRecipe(sound=added, shuffled="sound"),
            },
            line="its ratings shuffled",
            at=added,
        )
        for added in SHARES[1:]
    ]
    return ExperimentPlan(
        name="shuffled-control",
        question="Do the ratings of the other domain help, or only the larger number of clips?",
        conditions=plain + shuffled,
        compared=[
            ("1 other", "1 other, shuffled"),
            ("1 other", "0 other"),
            ("1 other, shuffled", "0 other"),
        ],
        axis="share of the other domain added",
    )


def _ablation(table: TrainingTable, families: Families) -> ExperimentPlan:
    def condition(name: str, recipe: TrainingRecipe, line: str, family: str = "") -> FitCondition:
        return FitCondition(name, dict.fromkeys(domains_of(table), recipe), line, family=family)

    full = TrainingRecipe(permuted=True)
    conditions = [condition("everything", full, "")]
    conditions += [condition(f"permuted: {name}", full, "permuted", name) for name in families]
    conditions += [
        condition(f"without: {name}", TrainingRecipe(without=name), "without") for name in families
    ]
    conditions += [
        condition(f"only: {name}", TrainingRecipe(only=name), "only") for name in families
    ]
    return ExperimentPlan(
        name="ablation",
        question="Which families of descriptors does the joint fit depend on?",
        conditions=conditions,
        compared=[(f"without: {name}", "everything") for name in families],
        searched=True,
        reference="everything",
    )


def _learning_curve(table: TrainingTable, _: Families) -> ExperimentPlan:
    domains = domains_of(table)
    conditions = []
    for share in LEARNING_SHARES:
        joint = JOINT if share == 1.0 else TrainingRecipe(groups=share)
        conditions.append(
            FitCondition(f"joint, {share:g}", dict.fromkeys(domains, joint), "joint", share)
        )
        if len(domains) > 1:
            alone = {domain: alone_on(domain, table) for domain in domains}
            if share < 1.0:
                alone = {
                    domain: replace(recipe, groups=share, intervals=False)
                    for domain, recipe in alone.items()
                }
            conditions.append(FitCondition(f"alone, {share:g}", alone, "alone", share))
    return ExperimentPlan(
        name="learning-curve",
        question="Would more clips improve the predictions, and how far?",
        conditions=conditions,
        axis="share of the groups in the training part",
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
"""The function that makes each plan, in the order of the report."""

_BOTH_DOMAINS: Final = {"joint", "mixing", "constant-size", "shuffled-control", "cross-domain"}
