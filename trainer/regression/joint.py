"""The joint regression: one estimator of arousal and valence for music and everyday sounds.

Arousal depends on other features in music than in everyday sounds. So two experts are fitted, one
on each, and a gate predicts how to mix them for a new clip; nobody has to label it.
docs/starter.md gives the reasons and the alternatives that were tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trainer.regression.folds import grouped_folds
from trainer.regression.kernel_expert import DIMENSIONS, ExpertSettings
from trainer.regression.mixture import ExpertMixture
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

RECIPE: Final = "two-experts-2"
"""Name of this way of fitting; the digit grows when equal settings would fit differently."""

LEVEL: Final = 0.8
"""Nominal coverage of the prediction intervals."""

_SOUND_HARMONY: Final = 0.01
"""For everyday sounds every descriptor has about the same weight."""

_INNER_FOLDS: Final = 5
_FEWEST_CLIPS: Final = 20


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions of some clips; every array has shape (clips,).

    Arousal, valence and the ends of their 80 % intervals are in [-1, 1]. Novelty is 0 or more;
    above 1 a clip is farther from the fitted clips than 95 % of those are from each other.
    """

    arousal: NDArray[np.float64]
    arousal_low: NDArray[np.float64]
    arousal_high: NDArray[np.float64]
    valence: NDArray[np.float64]
    valence_low: NDArray[np.float64]
    valence_high: NDArray[np.float64]
    novelty: NDArray[np.float64]


class JointRegression:
    """Two kernel experts, a gate between them, and cross-conformal intervals.

    The gate is a ridge discriminant on the music expert's normal scores. Half the width of an
    interval is the quantile of the absolute errors on held-out groups of the fitted clips (Vovk,
    Cross-conformal predictors, Annals of Mathematics and Artificial Intelligence, 2015; the split
    form of the rule), one for each expert and dimension, mixed by the gate.

    It keeps scikit-learn's conventions (settings as keywords, `fit`, `predict`, `get_params`,
    `set_params`, and so `sklearn.base.clone`) without its base class, whose import would cost each
    process that only predicts over 100 MB.

    Args:
        music_reach: kernel width of the music expert.
        music_noise: its noise variance.
        music_harmony: share of harmony and rhythm in its kernel, in [0, 1].
        sound_reach: kernel width of the sound expert.
        sound_noise: its noise variance.
        gate_ridge: shrinkage of the gate.
        gate_slope: slope of the gate's logistic curve.
        seed: of the inner folds.
    """

    def __init__(
        self,
        *,
        music_reach: float = 1.5,
        music_noise: float = 0.12,
        music_harmony: float = 0.25,
        sound_reach: float = 2.0,
        sound_noise: float = 0.2,
        gate_ridge: float = 0.5,
        gate_slope: float = 8.0,
        seed: int = 20240229,
    ) -> None:
        self.music_reach = music_reach
        self.music_noise = music_noise
        self.music_harmony = music_harmony
        self.sound_reach = sound_reach
        self.sound_noise = sound_noise
        self.gate_ridge = gate_ridge
        self.gate_slope = gate_slope
        self.seed = seed

    def fit(self, table: TrainingTable, y: None = None) -> JointRegression:
        """Fit experts, gate and intervals on a table, which includes the ratings.

        Raises:
            TrainingError: the table has too few clips for an expert, or a value is not finite.
        """
        del y
        _check(table)
        self.experts_ = self.fit_experts(table)
        folds = grouped_folds(table.corpus, table.group, _INNER_FOLDS, self.seed)
        errors = np.full(table.ratings.shape, np.nan)
        for fold in range(_INNER_FOLDS):
            held_out = folds == fold
            experts = self.fit_experts(table.subset(~held_out))
            predicted = experts.predict(table.vectors[held_out]).affect
            errors[held_out] = np.abs(table.ratings[held_out] - np.clip(predicted, -1.0, 1.0))
        self.half_widths_ = np.array(
            [conformal(errors[table.follows == name]) for name in ("music", "sound")]
        )
        return self

    def predict(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return affect of shape (clips, 2) in [-1, 1] for vectors of shape (clips, 6439)."""
        return np.clip(self.experts_.predict(vectors).affect, -1.0, 1.0)

    def predict_all(
        self, vectors: NDArray[np.float32], scores: NDArray[np.float32] | None = None
    ) -> Predictions:
        """Predict affect, intervals and novelty from vectors as in `predict`.

        `scores` are their normal scores on the music expert's scale, if already computed.
        """
        mixed = self.experts_.predict(vectors, scores)
        affect, share = np.clip(mixed.affect, -1.0, 1.0), mixed.music_share[:, None]
        half = share * self.half_widths_[0] + (1 - share) * self.half_widths_[1]
        low, high = np.clip(affect - half, -1.0, 1.0), np.clip(affect + half, -1.0, 1.0)
        columns = {}
        for dim, name in enumerate(DIMENSIONS):
            columns[name] = affect[:, dim]
            columns[f"{name}_low"], columns[f"{name}_high"] = low[:, dim], high[:, dim]
        return Predictions(**columns, novelty=mixed.novelty)

    def get_params(self, deep: bool = True) -> dict[str, float | int]:  # noqa: FBT001, FBT002 - scikit-learn's signature
        """Return the settings by name."""
        del deep
        return {name: getattr(self, name) for name in _SETTINGS}

    def set_params(self, **settings: float) -> JointRegression:
        """Change settings by name.

        Raises:
            ValueError: there is no such setting.
        """
        for name, value in settings.items():
            if name not in _SETTINGS:
                raise ValueError(f"no such setting: {name}")
            setattr(self, name, value)
        return self

    def attach(self, table: TrainingTable) -> None:
        """Restore what is not pickled from the table that was fitted on."""
        self.experts_.attach(table)

    def fit_experts(self, table: TrainingTable) -> ExpertMixture:
        """Fit the experts and gates alone, without intervals."""
        return ExpertMixture(
            table,
            music=self.music_settings(),
            sound=self.sound_settings(),
            gate_ridge=self.gate_ridge,
            gate_slope=self.gate_slope,
        )

    def music_settings(self) -> ExpertSettings:
        """Return the settings of the music expert."""
        return ExpertSettings(
            reach=self.music_reach,
            noise=self.music_noise,
            harmony=self.music_harmony,
            relevance=True,
            anchored=True,
        )

    def sound_settings(self) -> ExpertSettings:
        """Return the settings of the sound expert."""
        return ExpertSettings(
            reach=self.sound_reach,
            noise=self.sound_noise,
            harmony=_SOUND_HARMONY,
            relevance=False,
            anchored=False,
        )


_SETTINGS: Final = tuple(signature(JointRegression).parameters)


def regression_from(settings: dict[str, Any]) -> JointRegression:
    """Return an unfitted regression with settings from a manifest.

    Raises:
        TrainingError: a setting is unknown or not a number.
    """
    wrong = [k for k, v in settings.items() if k not in _SETTINGS or not isinstance(v, int | float)]
    if wrong:
        raise TrainingError(f"the recipe {RECIPE} has no such setting: {', '.join(sorted(wrong))}")
    return JointRegression(**settings)


def _check(table: TrainingTable) -> None:
    for name in ("music", "sound"):
        count = int((table.follows == name).sum())
        if count < _FEWEST_CLIPS:
            raise TrainingError(
                f"{count} rated clips for the {name} expert; at least {_FEWEST_CLIPS} are needed"
            )
    if not (np.isfinite(table.vectors).all() and np.isfinite(table.ratings).all()):
        raise TrainingError("the training table contains values that are not finite")


def conformal(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the conformal quantile of absolute errors, shape (dimensions,)."""
    level = min(1.0, LEVEL * (1 + 1 / len(errors)))
    quantile: NDArray[np.float64] = np.quantile(errors, level, axis=0, method="higher")
    return quantile
