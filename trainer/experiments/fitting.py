"""The regressions of the experiments: the bundle's own, or one of the paper's.

Settings are tuned on grouped folds of the training clips only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from trainer.experiments.paper import ElasticNetPipeline, SupportVectorPipeline
from trainer.regression.joint import JointRegression, conformal, regression_from
from trainer.regression.kind_kernel import DIMENSIONS
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

Regression = Literal["own", "svr", "elasticnet"]


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
        return _Joint(table, own) if intervals else _JointWithoutIntervals(table, own)


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
        self._fitted = regression.fit_kernel(table)

    def predict(self, vectors: NDArray[np.float32]) -> FittedPredictions:
        return FittedPredictions(np.clip(self._fitted.predict(vectors).affect, -1.0, 1.0))


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
