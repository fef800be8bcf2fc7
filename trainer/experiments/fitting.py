"""What an experiment fits: the bundle's own regression, or one of the paper's.

Whatever is chosen by trying is chosen on folds inside the clips that are given, groups being whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol, get_args

import numpy as np

from trainer.experiments.paper import ElasticNetPipeline, SupportVectorPipeline
from trainer.experiments.splits import inner_splits
from trainer.regression.joint import conformal, regression_from
from trainer.regression.kernel_expert import DIMENSIONS, ExpertSettings, KernelExpert
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

Regression = Literal["own", "svr", "elasticnet"]
REGRESSIONS: Final[tuple[str, ...]] = get_args(Regression)

_FEWEST_FOR_AN_EXPERT: Final = 20


@dataclass(frozen=True, slots=True)
class FittedPredictions:
    """What a fit says of some clips; each array has shape (clips, 2), in [-1, 1].

    `low` and `high` are the ends of the 80 % intervals, None where none were asked for.
    """

    affect: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None


class Fitted(Protocol):
    """A fit that can be asked."""

    def say(self, vectors: NDArray[np.float32]) -> FittedPredictions:
        """Predict clips from their vectors, shape (clips, descriptors)."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """How to fit.

    Attributes:
        regression: ``own``, ``svr`` or ``elasticnet``.
        settings: of the bundle's own regression; the paper's have none.
    """

    regression: Regression
    settings: Mapping[str, float | int]

    def fit(self, table: TrainingTable, *, intervals: bool, seed: int) -> Fitted:
        """Fit on all clips of a table.

        The bundle's own regression needs clips of both domains and for both experts; where they
        are missing, one expert is fitted, with the settings that do better on inner folds.

        Args:
            table: what to learn from.
            intervals: whether 80 % intervals are wanted; they cost several fits more.
            seed: of inner folds.

        Raises:
            TrainingError: there are too few clips.
        """
        if not len(table):
            raise TrainingError("nothing to fit on in this part; add a corpus")
        if self.regression == "svr":
            return _Interval.around(SupportVectorPipeline(table, seed))
        if self.regression == "elasticnet":
            return _Interval.around(ElasticNetPipeline(table, seed))
        if not _can_be_joint(table):
            return _Interval.around(_OneExpert(table, dict(self.settings), seed))
        if intervals:
            return _Joint(table, dict(self.settings))
        return _Gated(table, dict(self.settings))


def _can_be_joint(table: TrainingTable) -> bool:
    follows = [int((table.follows == name).sum()) for name in ("music", "sound")]
    return min(follows) >= _FEWEST_FOR_AN_EXPERT and len(np.unique(table.domain)) > 1


class _Joint:
    """The bundle's regression as `valenced train` fits it, intervals included."""

    def __init__(self, table: TrainingTable, settings: dict[str, float | int]) -> None:
        self._fitted = regression_from(settings).fit(table)

    def say(self, vectors: NDArray[np.float32]) -> FittedPredictions:
        told = self._fitted.predict_all(vectors)

        def both(end: str) -> NDArray[np.float64]:
            return np.stack([getattr(told, f"{name}{end}") for name in DIMENSIONS], axis=1)

        return FittedPredictions(both(""), both("_low"), both("_high"))


class _Gated:
    """The same without intervals, which takes a sixth of the time."""

    def __init__(self, table: TrainingTable, settings: dict[str, float | int]) -> None:
        regression = regression_from(settings)
        self._fitted = regression.fit_experts(table)

    def say(self, vectors: NDArray[np.float32]) -> FittedPredictions:
        return FittedPredictions(np.clip(self._fitted.predict(vectors).affect, -1.0, 1.0))


class _OneExpert:
    """One of the two experts on all clips, for each dimension the one that does better inside.

    Attributes:
        held_errors: absolute errors on the inner folds, shape (clips, 2).
    """

    def __init__(self, table: TrainingTable, settings: dict[str, float | int], seed: int) -> None:
        regression = regression_from(settings)
        choices = (regression.music_settings(), regression.sound_settings())
        held = np.stack([_held(table, each, seed) for each in choices])
        weighted = np.square(held - table.ratings) * table.weight[:, None]
        self._chosen = np.argmin(weighted.sum(axis=1), axis=0)
        rows = np.arange(len(table))
        self._experts = {
            int(choice): KernelExpert(table, table.ratings, rows, choices[choice])
            for choice in np.unique(self._chosen)
        }
        best = np.take_along_axis(held, self._chosen[None, None, :], axis=0)[0]
        self.held_errors = np.abs(table.ratings - np.clip(best, -1.0, 1.0))

    def predict(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        said = {
            choice: expert.predict(expert.scale.scores(vectors))[0]
            for choice, expert in self._experts.items()
        }
        return np.stack(
            [said[int(choice)][:, dim] for dim, choice in enumerate(self._chosen)], axis=1
        )


def _held(table: TrainingTable, settings: ExpertSettings, seed: int) -> NDArray[np.float64]:
    """Predict each clip by an expert that met nothing of its group, shape (clips, 2)."""
    said = np.empty(table.ratings.shape)
    for known, asked in inner_splits(table, seed):
        expert = KernelExpert(table, table.ratings, known, settings)
        said[asked] = expert.predict(expert.scale.scores(table.vectors[asked]))[0]
    return said


class _Asked(Protocol):
    held_errors: NDArray[np.float64]

    def predict(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]: ...


class _Interval:
    """A fit with intervals as wide as its errors on inner folds, by the split conformal rule."""

    def __init__(self, fitted: _Asked, half_widths: NDArray[np.float64]) -> None:
        self._fitted = fitted
        self._half_widths = half_widths

    @classmethod
    def around(cls, fitted: _Asked) -> _Interval:
        return cls(fitted, conformal(fitted.held_errors))

    def say(self, vectors: NDArray[np.float32]) -> FittedPredictions:
        affect = np.clip(self._fitted.predict(vectors), -1.0, 1.0)
        low, high = affect - self._half_widths, affect + self._half_widths
        return FittedPredictions(affect, np.clip(low, -1.0, 1.0), np.clip(high, -1.0, 1.0))
