"""How well a regression predicts clips whose groups it has never met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.stats import rankdata
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from trainer.bundles.bundle_manifest import HeldOutScores, ManifestScore
from trainer.evaluation.scores import SCORES, estimate
from trainer.regression.folds import grouped_folds
from trainer.regression.joint import regression_from
from trainer.regression.kernel_expert import DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from trainer.evaluation.scores import Score
    from trainer.regression.joint import JointRegression
    from trainer.regression.training_table import TrainingTable

OUTER_FOLDS: Final = 5

# Of the paper's thousands of settings, those that did best here; see docs/starter.md.
_PAPER_CHOICES: Final = {"svr__C": [0.3, 1.0, 3.0]}


@dataclass(frozen=True, slots=True)
class HeldOutPredictions:
    """Predictions of every clip of a table, each by a fit that knew nothing of its group.

    Attributes:
        affect: shape (clips, 2).
        low: shape (clips, 2), lower end of the interval.
        high: shape (clips, 2), upper end.
        novelty: shape (clips,).
    """

    affect: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    novelty: NDArray[np.float64]


def cross_validate(
    table: TrainingTable, regression: JointRegression, seed: int
) -> HeldOutPredictions:
    """Predict each of five folds by a fit on the other four, groups being whole.

    Everything that is fitted, the rank scales, relevance, gate and intervals included, is fitted
    inside the four. Only the steadiness of the descriptors comes from all clips; it knows no
    rating.

    Raises:
        TrainingError: a fit fails.
    """
    folds = grouped_folds(table.corpus, table.group, OUTER_FOLDS, seed)
    shape = table.ratings.shape
    held = HeldOutPredictions(
        np.empty(shape), np.empty(shape), np.empty(shape), np.empty(len(table))
    )
    for fold in range(OUTER_FOLDS):
        out = folds == fold
        fitted = regression_from(regression.get_params()).fit(table.subset(~out))
        said = fitted.predict_all(table.vectors[out])
        for dim, name in enumerate(DIMENSIONS):
            held.affect[out, dim] = getattr(said, name)
            held.low[out, dim] = getattr(said, f"{name}_low")
            held.high[out, dim] = getattr(said, f"{name}_high")
        held.novelty[out] = said.novelty
    return held


def held_out_scores(
    table: TrainingTable, held: HeldOutPredictions, seed: int
) -> list[HeldOutScores]:
    """Return the figures of each corpus and domain, for each dimension."""
    return [
        _figures_of(table, held, rows, part, dim, seed)
        for part, rows in parts_of(table)
        for dim in range(len(DIMENSIONS))
    ]


def parts_of(table: TrainingTable) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Name the parts that figures are given for, with their rows: corpora, then domains."""
    for corpus in sorted(set(table.corpus.tolist())):
        for domain in ("music", "sound"):
            rows = (table.corpus == corpus) & (table.domain == domain)
            if rows.any():
                both = len(set(table.domain[table.corpus == corpus].tolist())) > 1
                yield (f"{corpus} ({domain})" if both else corpus), rows
    for domain in ("music", "sound"):
        yield f"all {domain}", table.domain == domain


def paper_predictions(
    table: TrainingTable, vectors: NDArray[np.float32], seed: int
) -> NDArray[np.float64]:
    """Predict each corpus by the pipeline of the paper that this project started from.

    Standard scaling, principal components and a support vector regression, chosen by an inner
    grouped search (Simonetta, Certo and Ntalampiras, 2024), for each corpus and dimension alone,
    on the folds that `cross_validate` uses.

    Args:
        table: ratings, corpora and groups.
        vectors: the features to use in place of the table's, shape (clips, descriptors).
        seed: of the folds.

    Returns:
        Shape (clips, 2).
    """
    folds = grouped_folds(table.corpus, table.group, OUTER_FOLDS, seed)
    predicted = np.empty(table.ratings.shape)
    for corpus in sorted(set(table.corpus.tolist())):
        for fold in range(OUTER_FOLDS):
            known = np.flatnonzero((table.corpus == corpus) & (folds != fold))
            asked = np.flatnonzero((table.corpus == corpus) & (folds == fold))
            for dim in range(len(DIMENSIONS)):
                search = GridSearchCV(_paper_pipeline(seed), _PAPER_CHOICES, cv=GroupKFold(3))
                search.fit(vectors[known], table.ratings[known, dim], groups=table.group[known])
                predicted[asked, dim] = search.predict(vectors[asked])
    return predicted


def _paper_pipeline(seed: int) -> Pipeline:
    return make_pipeline(StandardScaler(), PCA(0.99, random_state=seed), SVR(epsilon=0.1))


def rank_agreement(rated: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """Return Spearman's rho, in [-1, 1]; not a number where either side is constant."""
    if np.ptp(rated) == 0 or np.ptp(predicted) == 0:
        return float("nan")
    first, second = rankdata(rated), rankdata(predicted)
    first, second = first - first.mean(), second - second.mean()
    return float(first @ second / np.sqrt((first @ first) * (second @ second)))


def _figures_of(
    table: TrainingTable,
    held: HeldOutPredictions,
    rows: NDArray[np.bool_],
    part: str,
    dim: int,
    seed: int,
) -> HeldOutScores:
    rated, groups = table.ratings[rows, dim], table.group[rows]
    low, high = held.low[rows, dim], held.high[rows, dim]

    def figure(score: Score) -> ManifestScore:
        found = estimate(score, rated, held.affect[rows, dim], groups, seed)
        finite = [round(float(x), 4) if np.isfinite(x) else None for x in
                  (found.value, found.low, found.high)]  # fmt: skip
        return ManifestScore(value=finite[0], low=finite[1], high=finite[2])

    return HeldOutScores(
        part=part,
        dimension="arousal" if dim == 0 else "valence",
        clips=int(rows.sum()),
        groups=len(set(groups.tolist())),
        **{name: figure(score) for name, score in SCORES.items()},
        spearman=figure(rank_agreement),
        coverage=round(float(np.mean((low <= rated) & (rated <= high))), 4),
        width=round(float(np.mean(high - low)), 4),
    )
