"""The regressions of the experiments: the bundle's own, or one of the paper's.

Settings are tuned on grouped folds of the training clips only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

import numpy as np

from trainer.experiments.paper import ElasticNetPipeline, SupportVectorPipeline
from trainer.experiments.splits import inner_splits
from trainer.regression.joint import JointRegression, conformal, regression_from
from trainer.regression.kernel_expert import DIMENSIONS, ExpertSettings, KernelExpert
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

Regression = Literal["own", "svr", "elasticnet"]

_FEWEST_FOR_AN_EXPERT: Final = 20


@dataclass(frozen=True, slots=True)
class FittedPredictions:
    """Predictions of some clips; each array has shape (clips, 2), in [-1, 1].

    `low` and `high` are the ends of the 80 % intervals, None without intervals.
    """

    affect: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None


class Fitted(Protocol):
    """A fitted regression."""

    def predict(self, vectors: NDArray[np.float32]) -> FittedPredictions:
        """Predict clips from their vectors, shape (clips, descriptors)."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """Which regression to fit: ``own``, ``svr`` or ``elasticnet``.

    `settings` are those of the bundle's own regression; the paper's have none.
    """

    regression: Regression
    settings: Mapping[str, float | int]

    def fit(self, table: TrainingTable, *, intervals: bool, seed: int) -> Fitted:
        """Fit on all clips of a table; intervals cost several fits more.

        The bundle's own regression needs clips of both domains and for both experts; where they are
        missing, one expert is fitted, with the settings that are better on inner folds.

        Raises:
            TrainingError: there are too few clips.
        """
        if not len(table):
            raise TrainingError("nothing to fit on in this training set; add a corpus")
        if self.regression == "svr":
            return _WithIntervals(SupportVectorPipeline(table, seed))
        if self.regression == "elasticnet":
            return _WithIntervals(ElasticNetPipeline(table, seed))
        own = regression_from(dict(self.settings))
        if not _can_be_joint(table):
            return _WithIntervals(_OneExpert(table, own, seed))
        return _Joint(table, own) if intervals else _JointWithoutIntervals(table, own)


def _can_be_joint(table: TrainingTable) -> bool:
    follows = [int((table.follows == name).sum()) for name in ("music", "sound")]
    return min(follows) >= _FEWEST_FOR_AN_EXPERT and len(np.unique(table.domain)) > 1


class _Joint:
    """The bundle's regression as `valenced train` fits it."""

    def __init__(self, table: TrainingTable, regression: JointRegression) -> None:
        self._fitted = regression.fit(table)

    def predict(self, vectors: NDArray[np.float32]) -> FittedPredictions:
        predicted = self._fitted.predict_all(vectors)
        affect, low, high = (
            np.stack([getattr(predicted, f"{name}{end}") for name in DIMENSIONS], axis=1)
            for end in ("", "_low", "_high")
        )
        return FittedPredictions(affect, low, high)


class _JointWithoutIntervals:
    """The same without intervals, which takes a sixth of the time."""

    def __init__(self, table: TrainingTable, regression: JointRegression) -> None:
        self._fitted = regression.fit_experts(table)

    def predict(self, vectors: NDArray[np.float32]) -> FittedPredictions:
        return FittedPredictions(np.clip(self._fitted.predict(vectors).affect, -1.0, 1.0))


class _OneExpert:
    """One expert on all clips, with the settings that are better on inner folds by dimension.

    Attributes:
        held_out_errors: absolute errors on the inner folds, shape (clips, 2).
    """

    def __init__(self, table: TrainingTable, regression: JointRegression, seed: int) -> None:
        choices = (regression.music_settings(), regression.sound_settings())
        held_out = np.stack([_out_of_fold(table, each, seed) for each in choices])
        weighted = np.square(held_out - table.ratings) * table.weight[:, None]
        self._chosen = np.argmin(weighted.sum(axis=1), axis=0)
        rows = np.arange(len(table))
        self._experts = {
            int(choice): KernelExpert(table, table.ratings, rows, choices[choice])
            for choice in np.unique(self._chosen)
        }
        best = np.take_along_axis(held_out, self._chosen[None, None, :], axis=0)[0]
        self.held_out_errors = np.abs(table.ratings - np.clip(best, -1.0, 1.0))

    def predict(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        predicted = {
            choice: expert.predict(expert.scale.scores(vectors))[0]
            for choice, expert in self._experts.items()
        }
        return np.stack(
            [predicted[int(choice)][:, dim] for dim, choice in enumerate(self._chosen)], axis=1
        )


def _out_of_fold(table: TrainingTable, settings: ExpertSettings, seed: int) -> NDArray[np.float64]:
    """Predict each clip by an expert fitted on other groups, shape (clips, 2)."""
    predicted = np.empty(table.ratings.shape)
    for train, test in inner_splits(table, seed):
        expert = KernelExpert(table, table.ratings, train, settings)
        predicted[test] = expert.predict(expert.scale.scores(table.vectors[test]))[0]
    return predicted


class _Estimator(Protocol):
    held_out_errors: NDArray[np.float64]

    def predict(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]: ...


class _WithIntervals:
    """An estimator with split conformal intervals from its errors on inner folds."""

    def __init__(self, fitted: _Estimator) -> None:
        self._fitted = fitted
        self._half_widths = conformal(fitted.held_out_errors)

    def predict(self, vectors: NDArray[np.float32]) -> FittedPredictions:
        affect = np.clip(self._fitted.predict(vectors), -1.0, 1.0)
        low, high = affect - self._half_widths, affect + self._half_widths
        return FittedPredictions(affect, np.clip(low, -1.0, 1.0), np.clip(high, -1.0, 1.0))
