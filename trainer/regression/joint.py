"""The joint regression of a bundle: affect of any sound, with intervals, novelty and kinds.

`AffectRegressor` is fitted on the training table; here is what a bundle adds to it: intervals that
hold for corpora it has not seen. docs/starter.md gives the reasons and the alternatives that were
tried. Neither loading nor predicting imports scikit-learn, which costs over 100 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trainer.regression.interval_widths import HeldOutErrors, IntervalWidths, fit_widths
from trainer.regression.kind_kernel import DIMENSIONS, KINDS
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.regression.kind_kernel import KindKernel
    from trainer.regression.training_table import TrainingTable

RECIPE: Final = "joint-kernel-4"
"""Name of this way of fitting; the digit grows when equal settings would fit differently."""

OLDER_RECIPES: Final = frozenset(
    {"two-experts-2", "joint-kernel-1", "joint-kernel-2", "joint-kernel-3"}
)
"""Bundles of these are fitted again by this recipe, with its default settings."""

LEVEL: Final = 0.8
"""Nominal coverage of the prediction intervals."""

_FEWEST_CLIPS: Final = 20


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions of some clips; every array has shape (clips,).

    Arousal, valence and the ends of their 80 % intervals are in [-1, 1]. Novelty is 0 or more;
    above 1 a clip is farther from the fitted clips than 95 % of those are from each other. `kind`
    is the likeliest of `KINDS`.
    """

    arousal: NDArray[np.float64]
    arousal_low: NDArray[np.float64]
    arousal_high: NDArray[np.float64]
    valence: NDArray[np.float64]
    valence_low: NDArray[np.float64]
    valence_high: NDArray[np.float64]
    novelty: NDArray[np.float64]
    kind: NDArray[np.str_]
    kind_probability: NDArray[np.float64]


class JointRegression:
    """One kernel regression for all kinds of sound, with intervals.

    Args:
        settings: of `trainer.regression.affect_regressor.AffectRegressor`; its defaults where
            they are not named.
    """

    def __init__(self, **settings: float) -> None:
        self.settings = settings

    def fit(self, table: TrainingTable) -> JointRegression:
        """Fit kernel and intervals on a table, which includes the ratings.

        Raises:
            TrainingError: the table has too few clips, or a value is not finite.
        """
        if len(table) < _FEWEST_CLIPS:
            raise TrainingError(f"{len(table)} rated clips; at least {_FEWEST_CLIPS} are needed")
        self.kernel_: KindKernel = self.fit_kernel(table)
        self.widths_: IntervalWidths = self._widths(table)
        return self

    def predict(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return affect of shape (clips, 2) in [-1, 1] for vectors of shape (clips, 6457)."""
        return np.clip(self.kernel_.predict(vectors).affect, -1.0, 1.0)

    def predict_all(
        self,
        vectors: NDArray[np.float32],
        scores: NDArray[np.float32] | None = None,
        level: NDArray[np.float64] | None = None,
    ) -> Predictions:
        """Predict affect, intervals, novelty and kinds from vectors as in `predict`.

        `scores` and `level` are as in `KindKernel.predict`.
        """
        found = self.kernel_.predict(vectors, scores, level)
        affect = np.clip(found.affect, -1.0, 1.0)
        half = self.widths_.half_widths(found.kinds, found.novelty)
        low, high = np.clip(affect - half, -1.0, 1.0), np.clip(affect + half, -1.0, 1.0)
        columns = {}
        for dim, name in enumerate(DIMENSIONS):
            columns[name] = affect[:, dim]
            columns[f"{name}_low"], columns[f"{name}_high"] = low[:, dim], high[:, dim]
        return Predictions(
            **columns,
            novelty=found.novelty,
            kind=np.array(KINDS)[found.kinds.argmax(axis=1)],
            kind_probability=np.clip(found.kinds.max(axis=1), 0.0, 1.0),
        )

    def get_params(self) -> dict[str, float | int]:
        """Return all settings by name."""
        return _defaults() | self.settings

    def attach(self, table: TrainingTable) -> None:
        """Restore what is not pickled from the table that was fitted on."""
        self.kernel_.attach(table.vectors)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"kernel_": self.kernel_.detached()}

    def fit_kernel(self, table: TrainingTable) -> KindKernel:
        """Fit the kernel alone, without intervals; experiments do so on fewer clips than a bundle.

        Raises:
            TrainingError: there are no clips, or a value is not finite.
        """
        from trainer.regression.affect_regressor import AffectRegressor  # noqa: PLC0415

        _check(table)
        described: dict[str, Any] = {"steadiness": table.steadiness, "is_harmony": table.is_harmony}
        estimator = AffectRegressor(**described | self.settings)
        estimator.fit(
            table.vectors,
            table.ratings,
            table.weight,
            kind=table.domain,
            corpus=table.corpus,
            sets_scale=table.sets_scale,
        )
        kernel: KindKernel = estimator.kind_kernel_
        return kernel

    def _widths(self, table: TrainingTable) -> IntervalWidths:
        """Calibrate the intervals on errors for each corpus, left out with all of its groups."""
        found = []
        for name in np.unique(table.corpus):
            out = table.corpus == name
            known = ~np.isin(table.group, table.group[out])
            if min(out.sum(), known.sum()) < _FEWEST_CLIPS:
                continue
            predicted = self.fit_kernel(table.subset(known)).predict(table.vectors[out])
            errors = np.abs(table.ratings[out] - np.clip(predicted.affect, -1.0, 1.0))
            found.append(
                HeldOutErrors(
                    corpus=table.corpus[out],
                    group=table.group[out],
                    kind=table.domain[out],
                    errors=errors,
                    novelty=predicted.novelty,
                )
            )
        return fit_widths(found, LEVEL)


def _defaults() -> dict[str, float | int]:
    from trainer.regression.affect_regressor import AffectRegressor  # noqa: PLC0415

    parameters = signature(AffectRegressor).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not None}


def regression_from(settings: dict[str, Any]) -> JointRegression:
    """Return an unfitted regression with settings from a manifest.

    Raises:
        TrainingError: a setting is unknown or not a number.
    """
    known = _defaults()
    wrong = [k for k, v in settings.items() if k not in known or not isinstance(v, int | float)]
    if wrong:
        raise TrainingError(f"the recipe {RECIPE} has no such setting: {', '.join(sorted(wrong))}")
    return JointRegression(**settings)


def _check(table: TrainingTable) -> None:
    if not len(table):
        raise TrainingError("there are no rated clips to fit on")
    if not (np.isfinite(table.vectors).all() and np.isfinite(table.ratings).all()):
        raise TrainingError("the training table contains values that are not finite")


def conformal(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the conformal quantile of absolute errors, shape (dimensions,)."""
    level = min(1.0, LEVEL * (1 + 1 / len(errors)))
    quantile: NDArray[np.float64] = np.quantile(errors, level, axis=0, method="higher")
    return quantile
