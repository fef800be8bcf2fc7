"""The results of an experiment: scores of every condition, and tests between conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trainer.evaluation.cross_validation import parts_of, rank_agreement
from trainer.evaluation.scores import ccc, coverage, interval_of, mae, mean_r2, resampled_r2, rmse
from trainer.experiments.paired_test import against_best, holm, paired
from trainer.regression.kind_kernel import DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from trainer.evaluation.scores import Score
    from trainer.experiments.cells import CellResult, Study
    from trainer.experiments.conditions import TrainingRecipe
    from trainer.experiments.experiment_plan import ExperimentPlan, FitCondition
    from trainer.experiments.paired_test import PairedTest

_SCORES: Final[Mapping[str, Score]] = {
    "rmse": rmse,
    "mae": mae,
    "ccc": ccc,
    "spearman": rank_agreement,
}


@dataclass(frozen=True, slots=True)
class CellPredictions:
    """Out-of-fold predictions of every clip by one condition, shape (repeats, clips, 2) each.

    `low` and `high` are the ends of the intervals, NaN where there are none. `fitted_on`, of shape
    (repeats, clips), is the number of clips that the predicting fit had.
    """

    affect: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    fitted_on: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionScores:
    """Scores of one condition in one dimension of one part of the clips.

    Each is the mean over the repeats; None where it is not defined. `r2_low` and `r2_high` are a
    95 % bootstrap interval over whole groups. `coverage` is the share of ratings inside the 80 %
    intervals, `width` their mean width. `fitted_on` is the number of clips that the smallest of the
    fits had: a share of few clips is very few.
    """

    condition: str
    line: str
    at: float
    part: str
    dimension: str
    clips: int
    groups: int
    fitted_on: int
    r2: float | None
    r2_low: float | None
    r2_high: float | None
    rmse: float | None
    mae: float | None
    ccc: float | None
    spearman: float | None
    coverage: float | None
    width: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFall:
    """How far R2 of a condition lies below that of the plan's reference, in one dimension.

    `low` and `high` are a 95 % bootstrap interval over whole groups, the same groups for both; all
    three are None where R2 is not defined.
    """

    condition: str
    part: str
    dimension: str
    fall: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """The results of one experiment: scores of conditions, and tests of the compared pairs.

    `predicted` are the predictions of the conditions that the plan shows, `falls` those of R2
    against the plan's reference; `against_best` has, for each cell, the test against the best of
    the conditions in the plan's `best_of`.
    """

    plan: ExperimentPlan
    figures: list[ConditionScores]
    tests: list[PairedTest]
    predicted: dict[str, CellPredictions]
    falls: list[ScoreFall]
    against_best: list[PairedTest]

    def of(self, part: str, dimension: str) -> list[ConditionScores]:
        """Return the scores of one part and dimension, in the order of the conditions."""
        return [f for f in self.figures if (f.part, f.dimension) == (part, dimension)]


def outcome_of(
    plan: ExperimentPlan,
    study: Study,
    results: Mapping[TrainingRecipe, Sequence[CellResult]],
    seed: int,
) -> ExperimentResult:
    """Compute scores and tests of a plan from its recipes' results, in the order of the splits."""
    predicted = {
        condition.name: _predicted(condition, plan, study, results) for condition in plan.conditions
    }
    figures = [
        found
        for condition in plan.conditions
        for found in _figures(condition, predicted[condition.name], plan, study, seed)
    ]
    tests: list[PairedTest] = []
    for first, second in plan.compared:
        tests += _compared((first, second), (predicted[first], predicted[second]), plan, study)
    shown = {name: predicted[name] for name in plan.shown}
    falls = _falls(plan, predicted, study, seed)
    best = against_best(tests, plan.best_of)
    tests = holm(tests) if plan.searched else tests
    return ExperimentResult(plan, figures, tests, shown, falls, best)


def _predicted(
    condition: FitCondition,
    plan: ExperimentPlan,
    study: Study,
    results: Mapping[TrainingRecipe, Sequence[CellResult]],
) -> CellPredictions:
    labels = study.labels(plan)
    shape = (1 + max(split.repeat for split in study.splits), *study.table.ratings.shape)
    affect, low, high = (np.full(shape, np.nan) for _ in range(3))
    fitted_on = np.zeros(shape[:2], dtype=np.intp)
    for label, recipe in condition.recipes.items():
        for split, result in zip(study.splits, results[recipe], strict=True):
            own = labels[label][split.test]
            rows = split.test[own]
            predicted = result.affect
            if condition.family:
                predicted = result.permuted[list(study.families).index(condition.family)]
            affect[split.repeat, rows] = predicted[own]
            low[split.repeat, rows] = result.low[own]
            high[split.repeat, rows] = result.high[own]
            fitted_on[split.repeat, rows] = result.fitted_on
    return CellPredictions(affect, low, high, fitted_on)


def _parts(plan: ExperimentPlan, study: Study) -> Iterable[tuple[str, NDArray[np.bool_]]]:
    if plan.by_grouping:
        return [(f"all {label}", rows) for label, rows in study.labels(plan).items()]
    return parts_of(study.table)


def _figures(
    condition: FitCondition,
    predicted: CellPredictions,
    plan: ExperimentPlan,
    study: Study,
    seed: int,
) -> list[ConditionScores]:
    table, found = study.table, []
    for part, rows in _parts(plan, study):
        groups = table.group[rows]
        for dim, dimension in enumerate(DIMENSIONS):
            rated, affect = table.ratings[rows, dim], predicted.affect[:, rows, dim]
            low, high = predicted.low[:, rows, dim], predicted.high[:, rows, dim]
            r2 = mean_r2(rated, affect, groups, seed)
            has_intervals = bool(np.isfinite(low).all())
            found.append(
                ConditionScores(
                    condition=condition.name,
                    line=condition.line,
                    at=condition.at,
                    part=part,
                    dimension=dimension,
                    clips=int(rows.sum()),
                    groups=len(np.unique(groups)),
                    fitted_on=int(predicted.fitted_on[:, rows].min()),
                    r2=_finite(r2.value),
                    r2_low=_finite(r2.low),
                    r2_high=_finite(r2.high),
                    coverage=_finite(coverage(rated, low, high)) if has_intervals else None,
                    width=_finite(np.mean(high - low)) if has_intervals else None,
                    **{
                        name: _finite(np.mean([score(rated, each) for each in affect]))
                        for name, score in _SCORES.items()
                    },
                )
            )
    return found


def _falls(
    plan: ExperimentPlan, predicted: Mapping[str, CellPredictions], study: Study, seed: int
) -> list[ScoreFall]:
    if not plan.reference:
        return []
    table, found = study.table, []
    for label, rows in study.labels(plan).items():
        for dim, dimension in enumerate(DIMENSIONS):
            scores = {
                name: resampled_r2(
                    table.ratings[rows, dim], each.affect[:, rows, dim], table.group[rows], seed
                )
                for name, each in predicted.items()
            }
            for name, own in scores.items():
                if name != plan.reference:
                    falls = scores[plan.reference] - own
                    low, high = map(_finite, interval_of(falls))
                    found.append(
                        ScoreFall(
                            condition=name,
                            part=f"all {label}",
                            dimension=dimension,
                            fall=_finite(falls[0]),
                            low=low,
                            high=high,
                        )
                    )
    return found


def _compared(
    names: tuple[str, str],
    predicted: tuple[CellPredictions, CellPredictions],
    plan: ExperimentPlan,
    study: Study,
) -> list[PairedTest]:
    """Test one pair in each dimension of each kind, or value of the grouping column.

    The ratio of test to training clips is that of this kind. With training clips of other kinds the
    correction could be smaller; so the test is conservative.
    """
    table, tests = study.table, []
    for label, own in study.labels(plan).items():
        test_rows = [split.test[own[split.test]] for split in study.splits]
        train = [int(own[split.train].sum()) for split in study.splits]
        ratio = float(np.mean([len(rows) for rows in test_rows]) / np.mean(train))
        for dim, dimension in enumerate(DIMENSIONS):
            first, second = (
                np.array(
                    [
                        np.mean(
                            (each.affect[split.repeat, rows, dim] - table.ratings[rows, dim]) ** 2
                        )
                        for split, rows in zip(study.splits, test_rows, strict=True)
                    ]
                )
                for each in predicted
            )
            tests.append(paired(names, (label, dimension), (first, second), ratio))
    return holm(tests)


def _finite(value: float | np.floating[Any]) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
