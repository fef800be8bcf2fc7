"""Cross-validation: predictions of clips by fits without their groups, and the scores of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.bundles.bundle_manifest import HeldOutScores, ManifestScore
from trainer.evaluation.scores import SCORES, coverage, estimate
from trainer.regression.folds import grouped_folds
from trainer.regression.joint import regression_from
from trainer.regression.kind_kernel import DIMENSIONS, KINDS
from trainer.regression.relevance import known_level

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from trainer.evaluation.scores import Score
    from trainer.regression.joint import JointRegression
    from trainer.regression.training_table import TrainingTable

OUTER_FOLDS: Final = 5


@dataclass(frozen=True, slots=True)
class HeldOutPredictions:
    """Predictions of every clip of a table, each by a fit without its group.

    Affect and the ends of its intervals have shape (clips, 2), novelty and the likeliest kinds have
    shape (clips,).
    """

    affect: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    novelty: NDArray[np.float64]
    kind: NDArray[np.str_]


def cross_validate(
    table: TrainingTable, regression: JointRegression, seed: int
) -> HeldOutPredictions:
    """Predict each of five grouped folds by a fit on the other four.

    Everything is fitted on these four, including rank scales, relevance, kinds and intervals. Only
    what does not depend on ratings comes from all clips: the steadiness of the descriptors, and
    which corpora have one level for all of their clips.

    Raises:
        TrainingError: a fit fails.
    """
    folds = grouped_folds(table.corpus, table.group, OUTER_FOLDS, seed)
    splits = [(folds == fold, folds != fold) for fold in range(OUTER_FOLDS)]
    level = known_level(table.vectors, table.corpus)
    return _held_out(table, regression, splits, level)


def leave_corpora_out(table: TrainingTable, regression: JointRegression) -> HeldOutPredictions:
    """Predict each corpus by a fit on the others, without clips that share a group with its own.

    Raises:
        TrainingError: a fit fails.
    """
    splits = []
    for corpus in np.unique(table.corpus):
        out = table.corpus == corpus
        splits.append((out, ~np.isin(table.group, table.group[out])))
    return _held_out(table, regression, splits)


def predict_within_kind(
    table: TrainingTable, regression: JointRegression, seed: int
) -> NDArray[np.float64]:
    """Predict every clip by a fit on other groups of its own kind, shape (clips, 2).

    The folds are those of `cross_validate` with the same seed.
    """
    folds = grouped_folds(table.corpus, table.group, OUTER_FOLDS, seed)
    level = known_level(table.vectors, table.corpus)
    affect = np.empty(table.ratings.shape)
    for kind in sorted(set(table.domain.tolist())):
        for fold in range(OUTER_FOLDS):
            out = (table.domain == kind) & (folds == fold)
            known = table.subset((table.domain == kind) & (folds != fold))
            fitted = regression.fit_kernel(known)
            predicted = fitted.predict(table.vectors[out], level=level[out])
            affect[out] = np.clip(predicted.affect, -1.0, 1.0)
    return affect


def _held_out(
    table: TrainingTable,
    regression: JointRegression,
    splits: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    level: NDArray[np.float64] | None = None,
) -> HeldOutPredictions:
    """Predict the clips left out in each split by a fit on those that are known."""
    affect, low, high = (np.empty(table.ratings.shape) for _ in range(3))
    novelty, kind = np.empty(len(table)), np.empty(len(table), dtype="<U5")
    for out, known in splits:
        fitted = regression_from(regression.get_params()).fit(table.subset(known))
        own = None if level is None else level[out]
        predicted = fitted.predict_all(table.vectors[out], level=own)
        for dim, name in enumerate(DIMENSIONS):
            affect[out, dim] = getattr(predicted, name)
            low[out, dim] = getattr(predicted, f"{name}_low")
            high[out, dim] = getattr(predicted, f"{name}_high")
        novelty[out], kind[out] = predicted.novelty, predicted.kind
    return HeldOutPredictions(affect, low, high, novelty, kind)


def held_out_scores(
    table: TrainingTable, held_out: HeldOutPredictions, seed: int
) -> list[HeldOutScores]:
    """Return the scores of each corpus and domain, for each dimension."""
    return [
        _scores_of(table, held_out, rows, part, dim, seed)
        for part, rows in parts_of(table)
        for dim in range(len(DIMENSIONS))
    ]


def parts_of(table: TrainingTable) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield the parts that are scored, with their rows: corpora, then domains."""
    for corpus in sorted(set(table.corpus.tolist())):
        for domain in KINDS:
            rows = (table.corpus == corpus) & (table.domain == domain)
            if rows.any():
                both = len(set(table.domain[table.corpus == corpus].tolist())) > 1
                yield (f"{corpus} ({domain})" if both else corpus), rows
    for domain in KINDS:
        if (table.domain == domain).any():
            yield f"all {domain}", table.domain == domain


def rank_agreement(rated: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Return Spearman's rho, in [-1, 1]; not a number where either side is constant."""
    if np.ptp(rated) == 0 or np.ptp(predicted) == 0:
        return float("nan")
    first, second = _ranks(rated), _ranks(predicted)
    first, second = first - first.mean(), second - second.mean()
    return float(first @ second / np.sqrt((first @ first) * (second @ second)))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each value, from 1; equal values share the mean of theirs.

    As `scipy.stats.rankdata` does, whose import took each training .9 s of processor time.
    """
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(count) - (count - 1) / 2)[place]
    return ranks


def _scores_of(
    table: TrainingTable,
    held_out: HeldOutPredictions,
    rows: NDArray[np.bool_],
    part: str,
    dim: int,
    seed: int,
) -> HeldOutScores:
    rated, groups = table.ratings[rows, dim], table.group[rows]
    low, high = held_out.low[rows, dim], held_out.high[rows, dim]

    def figure(score: Score) -> ManifestScore:
        found = estimate(score, rated, held_out.affect[rows, dim], groups, seed)
        finite = {
            name: round(getattr(found, name), 4) if np.isfinite(getattr(found, name)) else None
            for name in ("value", "low", "high")
        }
        return ManifestScore(**finite)

    return HeldOutScores(
        part=part,
        dimension="arousal" if dim == 0 else "valence",
        clips=int(rows.sum()),
        groups=len(set(groups.tolist())),
        **{name: figure(score) for name, score in SCORES.items()},
        spearman=figure(rank_agreement),
        coverage=round(coverage(rated, low, high), 4),
        width=round(float(np.mean(high - low)), 4),
    )
