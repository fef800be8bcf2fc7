"""The methods that the regression is compared with; each predicts five grouped folds.

Each takes a table and the seed of its folds, and returns out-of-fold predictions of shape
(clips, 2). Hyperparameters are chosen inside the training part of each fold.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import GroupKFold

from trainer.evaluation.cross_validation import OUTER_FOLDS
from trainer.evaluation.scores import r2
from trainer.features.opensmile import FEATURES
from trainer.regression.folds import grouped_folds
from trainer.regression.joint import JointRegression
from trainer.regression.kind_kernel import DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from trainer.experiments.paper import ElasticNetPipeline, SupportVectorPipeline
    from trainer.regression.training_table import TrainingTable

CORPORA = ("vgmidi", "emotify", "sonancia")
MUSIC = ("vgmidi", "emotify")
INNER_FOLDS = 3
CHOICE_FOLDS, CHOICE_REPEATS = 5, 3
"""How our own settings are chosen. One division alone would choose by its chance, too (Krstajic and
others, Cross-validation pitfalls when selecting and assessing regression and classification models,
2014)."""
LEAST_SQUARES_COMPONENTS = 3
TREES = 300
CHOICES: Mapping[str, Sequence[float]] = {
    "harmony": (0.15, 0.25, 0.4),
    "reach": (1.0, 1.5, 2.5),
    "noise": (0.06, 0.12, 0.2),
}
"""Values tried for the settings where they are chosen inside the folds."""


def ours(table: TrainingTable, seed: int) -> NDArray[np.float64]:
    """Predict by the joint regression with its shipped settings."""
    return _joint_predictions(table, seed, lambda _: JointRegression())


def ours_chosen(table: TrainingTable, seed: int) -> NDArray[np.float64]:
    """Predict by the joint regression with settings chosen in each fold."""
    return _joint_predictions(table, seed, partial(_chosen, seed=seed))


def _joint_predictions(
    table: TrainingTable, seed: int, regression: Callable[[TrainingTable], JointRegression]
) -> NDArray[np.float64]:
    folds = grouped_folds(table.corpus, table.group, OUTER_FOLDS, seed)
    return np.clip(_out_of_fold(table, folds, regression), -1.0, 1.0)


def _out_of_fold(
    table: TrainingTable,
    folds: NDArray[np.intp],
    regression: Callable[[TrainingTable], JointRegression],
) -> NDArray[np.float64]:
    """Predict each fold by a regression fitted on the others."""
    predicted = np.empty(table.ratings.shape)
    for fold in np.unique(folds):
        test = folds == fold
        train = table.subset(~test)
        fitted = regression(train).fit_kernel(train)
        predicted[test] = fitted.predict(table.vectors[test]).affect
    return predicted


def _chosen(table: TrainingTable, seed: int) -> JointRegression:
    """Choose one setting after another by the predictions of held-out groups."""
    best = JointRegression()
    for name, values in CHOICES.items():
        tried = [JointRegression(**{**best.get_params(), name: x}) for x in values]
        best = max(tried, key=partial(_inner_score, table, seed))
    return best


def _inner_score(table: TrainingTable, seed: int, regression: JointRegression) -> float:
    scores = []
    for repeat in range(1, CHOICE_REPEATS + 1):
        folds = grouped_folds(table.corpus, table.group, CHOICE_FOLDS, seed + repeat)
        predicted = _out_of_fold(table, folds, lambda _: regression)
        scores.append([_r2(table, predicted, name) for name in MUSIC])
    return float(np.mean(scores))


def by_pipeline(
    pipeline: type[SupportVectorPipeline | ElasticNetPipeline],
    table: TrainingTable,
    seed: int,
    *,
    compare_alone: bool = False,
) -> NDArray[np.float64]:
    """Predict each corpus by a pipeline of the paper, on all descriptors or on ComParE's alone."""
    described = table.with_descriptors(np.arange(FEATURES)) if compare_alone else table

    def fit_predict(train: NDArray[np.intp], test: NDArray[np.intp]) -> NDArray[np.float64]:
        return pipeline(described.subset(train), seed).predict(described.vectors[test])

    return _by_corpus(table, seed, fit_predict)


def by_regressor(
    regressor: Callable[[int], Any], table: TrainingTable, seed: int
) -> NDArray[np.float64]:
    """Predict each corpus by a scikit-learn regressor that fits both dimensions at once."""

    def fit_predict(train: NDArray[np.intp], test: NDArray[np.intp]) -> NDArray[np.float64]:
        fitted = regressor(seed).fit(table.vectors[train], table.ratings[train])
        predicted: NDArray[np.float64] = fitted.predict(table.vectors[test])
        return predicted

    return _by_corpus(table, seed, fit_predict)


def least_squares(_seed: int) -> PLSRegression:
    """Return an unfitted partial least squares regression."""
    return PLSRegression(n_components=LEAST_SQUARES_COMPONENTS)


def trees(seed: int) -> ExtraTreesRegressor:
    """Return unfitted extremely randomised trees."""
    return ExtraTreesRegressor(TREES, max_features=1 / 3, min_samples_leaf=2, random_state=seed)


def by_automl(table: TrainingTable, seed: int, *, budget_s: float) -> NDArray[np.float64]:
    """Predict each corpus and dimension by the model that FLAML finds in its share of the time."""
    automl: Any = import_module("flaml")  # untyped, slow to import, and used by one method only

    share_s = budget_s / (len(CORPORA) * len(DIMENSIONS) * OUTER_FOLDS)

    def fit_predict(train: NDArray[np.intp], test: NDArray[np.intp]) -> NDArray[np.float64]:
        columns = []
        for dim in range(len(DIMENSIONS)):
            search = automl.AutoML()
            search.fit(
                table.vectors[train],
                table.ratings[train, dim],
                task="regression",
                metric="r2",
                time_budget=share_s,
                eval_method="cv",
                split_type=GroupKFold(INNER_FOLDS),
                groups=table.group[train],
                n_jobs=1,
                seed=seed,
                verbose=0,
            )
            columns.append(search.predict(table.vectors[test]))
        return np.stack(columns, axis=1)

    return _by_corpus(table, seed, fit_predict)


def _by_corpus(
    table: TrainingTable,
    seed: int,
    fit_predict: Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    folds = grouped_folds(table.corpus, table.group, OUTER_FOLDS, seed)
    predicted = np.zeros(table.ratings.shape)
    for corpus in CORPORA:
        for fold in range(OUTER_FOLDS):
            train = np.flatnonzero((table.corpus == corpus) & (folds != fold))
            test = np.flatnonzero((table.corpus == corpus) & (folds == fold))
            predicted[test] = fit_predict(train, test)
    return np.clip(predicted, -1.0, 1.0)


def _r2(table: TrainingTable, predicted: NDArray[np.float64], corpus: str) -> list[float]:
    rows = table.corpus == corpus
    return [r2(table.ratings[rows, dim], predicted[rows, dim]) for dim in range(len(DIMENSIONS))]
