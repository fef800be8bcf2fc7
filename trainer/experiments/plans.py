"""The experiments: their conditions, and which of these are compared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from trainer.experiments.conditions import JOINT, TrainingRecipe, alone_on, mixture
from trainer.experiments.cross_cultural import CROSS_CULTURAL, cross_cultural
from trainer.experiments.experiment_plan import ExperimentPlan, FitCondition
from trainer.experiments.splits import domains_of
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from trainer.experiments.families import Families
    from trainer.experiments.grouping import Grouping
    from trainer.regression.training_table import TrainingTable

SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""The paper's k and p."""

LEARNING_SHARES: Final = (0.1, 0.25, 0.5, 0.75, 1.0)


def plan_of(
    name: str, table: TrainingTable, families: Families, grouping: Grouping | None = None
) -> ExperimentPlan:
    """Return the plan of one of `EXPERIMENTS` for given clips, families of descriptors, grouping.

    Raises:
        TrainingError: it needs several kinds, and there is one; or it needs a grouping.
    """
    kinds = domains_of(table)
    if name in _SEVERAL_KINDS and len(kinds) < 2:  # noqa: PLR2004 - one has no other
        raise TrainingError(
            f"{name} needs rated clips of several kinds (music, voice, sound), and there is "
            f"{kinds[0] if kinds else 'nothing'} only; add a corpus of another kind, or choose "
            "--experiment single-domain"
        )
    if name == CROSS_CULTURAL:
        if grouping is None:
            raise TrainingError(f"{name} needs a grouping column: add --by, such as --by corpus")
        return cross_cultural(grouping)
    return EXPERIMENTS[name](table, families)


def _alone(table: TrainingTable) -> FitCondition:
    return FitCondition("alone", {name: alone_on(name, table) for name in domains_of(table)})


def _single_domain(table: TrainingTable, _: Families) -> ExperimentPlan:
    return ExperimentPlan(
        name="single-domain",
        question="How well is each kind of sound predicted by a fit on that kind alone?",
        conditions=[_alone(table)],
        shown=("alone",),
    )


def _joint(table: TrainingTable, _: Families) -> ExperimentPlan:
    kinds = domains_of(table)
    single = [
        FitCondition(f"{kind} alone", dict.fromkeys(kinds, alone_on(kind, table))) for kind in kinds
    ]
    return ExperimentPlan(
        name="joint",
        question="Does one fit on all kinds predict each at least as well as any fit on one kind?",
        conditions=[FitCondition("joint", dict.fromkeys(kinds, JOINT)), _alone(table), *single],
        compared=[("joint", "alone"), *(("joint", each.name) for each in single)],
        shown=("joint",),
        best_of=tuple(each.name for each in single),
    )


def _cross_domain(table: TrainingTable, _: Families) -> ExperimentPlan:
    others = {kind: mixture(kind, table, own=0.0, others=1.0) for kind in domains_of(table)}
    return ExperimentPlan(
        name="cross-domain",
        question="How well is each kind of sound predicted by a fit on the other kinds alone?",
        conditions=[FitCondition("the other kinds", others), _alone(table)],
        compared=[("the other kinds", "alone")],
        shown=("the other kinds",),
    )


def _mixing(table: TrainingTable, _: Families) -> ExperimentPlan:
    conditions = [
        FitCondition(
            name=f"{own:g} own + {added:g} other",
            recipes={
                kind: mixture(kind, table, own=own, others=added) for kind in domains_of(table)
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
        question="How does adding the other kinds to the training part, share by share, help?",
        conditions=conditions,
        compared=[
            (f"{own:g} own + 1 other", f"{own:g} own + 0 other") for own in reversed(SHARES[1:])
        ],
        axis="share of the other kinds added",
    )


def _constant_size(table: TrainingTable, _: Families) -> ExperimentPlan:
    conditions = [
        FitCondition(
            name=f"{share:g} other",
            recipes={
                kind: mixture(kind, table, own=1 - share, others=share, constant=True)
                for kind in domains_of(table)
            },
            line="constant total",
            at=share,
        )
        for share in SHARES
    ]
    return ExperimentPlan(
        name="constant-size",
        question="With a constant number of clips, can other kinds replace clips of the same kind?",
        conditions=conditions,
        compared=[(f"{share:g} other", "0 other") for share in SHARES[1:]],
        axis="share of the other kinds in a constant total",
    )


def _shuffled_control(table: TrainingTable, _: Families) -> ExperimentPlan:
    def added(name: str, line: str, share: float, *, shuffled: bool = False) -> FitCondition:
        recipes = {
            kind: mixture(kind, table, own=1.0, others=share, shuffled=shuffled)
            for kind in domains_of(table)
        }
        return FitCondition(name, recipes, line, share)

    plain = [added(f"{share:g} other", "their ratings", share) for share in SHARES]
    shuffled = [
        added(f"{share:g} other, shuffled", "their ratings shuffled", share, shuffled=True)
        for share in SHARES[1:]
    ]
    return ExperimentPlan(
        name="shuffled-control",
        question="Do the ratings of the other kinds help, or only the larger number of clips?",
        conditions=plain + shuffled,
        compared=[
            ("1 other", "1 other, shuffled"),
            ("1 other", "0 other"),
            ("1 other, shuffled", "0 other"),
        ],
        axis="share of the other kinds added",
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
"""The function that makes each plan but that of `CROSS_CULTURAL`, in the order of the report."""

_SEVERAL_KINDS: Final = {"joint", "mixing", "constant-size", "shuffled-control", "cross-domain"}
