"""The results of an experiment: scores of every condition, and tests between conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trainer.evaluation.cross_validation import parts_of, rank_agreement
from trainer.evaluation.scores import RESAMPLES, Estimate, ccc, mae, rmse
from trainer.experiments.paired_test import holm, paired
from trainer.experiments.splits import domains_of
from trainer.regression.kind_kernel import DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from trainer.evaluation.scores import Score
    from trainer.experiments.cells import CellResult, Study
    from trainer.experiments.conditions import TrainingRecipe
    from trainer.experiments.paired_test import PairedTest
    from trainer.experiments.plans import ExperimentPlan, FitCondition
    from trainer.regression.training_table import TrainingTable

_SCORES: Final[Mapping[str, Score]] = {
    "rmse": rmse,
    "mae": mae,
    "ccc": ccc,
    "spearman": rank_agreement,
}


@dataclass(frozen=True, slots=True)
class CellPredictions:
    """Out-of-fold predictions of every clip by one condition, shape (repeats, clips, 2) each.

    `low` and `high` are the ends of the intervals, NaN where there are none.
    """

    affect: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionScores:
    """Scores of one condition in one dimension of one part of the clips.

    Each is the mean over the repeats; None where it is not defined. `r2_low` and `r2_high` are a
    95 % bootstrap interval over whole groups. `coverage` is the share of ratings inside the 80 %
    intervals, `width` their mean width.
    """

    condition: str
    line: str
    at: float
    part: str
    dimension: str
    clips: int
    groups: int
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
    against the plan's reference.
    """

    plan: ExperimentPlan
    figures: list[ConditionScores]
    tests: list[PairedTest]
    predicted: dict[str, CellPredictions]
    falls: list[ScoreFall]

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
        condition.name: _predicted(condition, study, results) for condition in plan.conditions
    }
    figures = [
        found
        for condition in plan.conditions
        for found in _figures(condition, predicted[condition.name], study, seed)
    ]
    tests: list[PairedTest] = []
    for first, second in plan.compared:
        tests += _compared((first, second), (predicted[first], predicted[second]), study)
    shown = {name: predicted[name] for name in plan.shown}
    falls = _falls(plan, predicted, study.table, seed)
    return ExperimentResult(plan, figures, holm(tests) if plan.searched else tests, shown, falls)


def _predicted(
    condition: FitCondition, study: Study, results: Mapping[TrainingRecipe, Sequence[CellResult]]
) -> CellPredictions:
    shape = (1 + max(split.repeat for split in study.splits), *study.table.ratings.shape)
    affect, low, high = (np.full(shape, np.nan) for _ in range(3))
    for domain, recipe in condition.recipes.items():
        for split, result in zip(study.splits, results[recipe], strict=True):
            own = study.table.domain[split.test] == domain
            rows = split.test[own]
            predicted = result.affect
            if condition.family:
                predicted = result.permuted[list(study.families).index(condition.family)]
            affect[split.repeat, rows] = predicted[own]
            low[split.repeat, rows] = result.low[own]
            high[split.repeat, rows] = result.high[own]
    return CellPredictions(affect, low, high)


def _figures(
    condition: FitCondition, predicted: CellPredictions, study: Study, seed: int
) -> list[ConditionScores]:
    table, found = study.table, []
    for part, rows in parts_of(table):
        if not rows.any():
            continue
        groups = table.group[rows]
        for dim, dimension in enumerate(DIMENSIONS):
            rated, affect = table.ratings[rows, dim], predicted.affect[:, rows, dim]
            low, high = predicted.low[:, rows, dim], predicted.high[:, rows, dim]
            r2 = mean_r2(rated, affect, groups, seed)
            has_intervals = bool(np.isfinite(low).all())
            covered = (low <= rated) & (rated <= high)
            found.append(
                ConditionScores(
                    condition=condition.name,
                    line=condition.line,
                    at=condition.at,
                    part=part,
                    dimension=dimension,
                    clips=int(rows.sum()),
                    groups=len(np.unique(groups)),
                    r2=_finite(r2.value),
                    r2_low=_finite(r2.low),
                    r2_high=_finite(r2.high),
                    coverage=_finite(np.mean(covered)) if has_intervals else None,
                    width=_finite(np.mean(high - low)) if has_intervals else None,
                    **{
                        name: _finite(np.mean([score(rated, each) for each in affect]))
                        for name, score in _SCORES.items()
                    },
                )
            )
    return found


def mean_r2(
    rated: NDArray[np.float64], predicted: NDArray[np.float64], groups: NDArray[np.str_], seed: int
) -> Estimate:
    """Return R2, mean over the repeats, and its interval as `scores.estimate` does.

    R2 follows from sums over groups, which are computed only once. `predicted` has shape (repeats,
    clips), the others (clips,).
    """
    scores = _resampled_r2(rated, predicted, groups, seed)
    return Estimate(float(scores[0]), *_ends(scores))


def _resampled_r2(
    rated: NDArray[np.float64], predicted: NDArray[np.float64], groups: NDArray[np.str_], seed: int
) -> NDArray[np.float64]:
    """Return R2, and that of each bootstrap sample of groups; equal seeds draw equal samples."""
    errors = np.square(predicted - rated).mean(axis=0)
    member = np.unique(groups, return_inverse=True)[1]
    sums = np.stack(
        [np.bincount(member, weights=each) for each in (rated**0, rated, rated**2, errors)], axis=1
    )
    count = len(sums)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    totals = np.concatenate([sums.sum(axis=0)[None], drawn @ sums])
    spread = totals[:, 2] - totals[:, 1] ** 2 / totals[:, 0]
    # A spread that is only a rounding error counts as none.
    spread[spread <= 1e-9 * totals[:, 2]] = np.nan
    scores: NDArray[np.float64] = 1.0 - totals[:, 3] / spread
    return scores


def _ends(scores: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of the 95 % interval; the first score is not of a sample."""
    finite = scores[1:][np.isfinite(scores[1:])]
    low, high = np.quantile(finite, [0.025, 0.975]) if finite.size else (np.nan, np.nan)
    return float(low), float(high)


def _falls(
    plan: ExperimentPlan, predicted: Mapping[str, CellPredictions], table: TrainingTable, seed: int
) -> list[ScoreFall]:
    if not plan.reference:
        return []
    found = []
    for domain in domains_of(table):
        rows = table.domain == domain
        for dim, dimension in enumerate(DIMENSIONS):
            scores = {
                name: _resampled_r2(
                    table.ratings[rows, dim], each.affect[:, rows, dim], table.group[rows], seed
                )
                for name, each in predicted.items()
            }
            for name, own in scores.items():
                if name != plan.reference:
                    falls = scores[plan.reference] - own
                    low, high = map(_finite, _ends(falls))
                    found.append(
                        ScoreFall(
                            condition=name,
                            part=f"all {domain}",
                            dimension=dimension,
                            fall=_finite(falls[0]),
                            low=low,
                            high=high,
                        )
                    )
    return found


def _compared(
    names: tuple[str, str], predicted: tuple[CellPredictions, CellPredictions], study: Study
) -> list[PairedTest]:
    """Test one pair in each dimension of each domain.

    The ratio of test to training clips is that of this domain. With training clips of the other
    domain the correction could be smaller; so the test is conservative.
    """
    table, tests = study.table, []
    for domain in domains_of(table):
        own = table.domain == domain
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
            tests.append(paired(names, (domain, dimension), (first, second), ratio))
    return holm(tests)


def _finite(value: float | np.floating[Any]) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
