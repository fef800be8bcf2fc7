"""The acceptance test: is a new personal layer significantly better than the published one?

Every annotated sound is predicted out of fold by the candidate, by the published layer and by a
constant, the mean of the other groups' annotations. The candidate must beat both. Without the
constant, random ratings would pass: shrinking every prediction to the mean lowers their error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from trainer.personal.comparison import DimensionCompared
from trainer.personal.gaussian_process import RatedSounds, ResidualProcess, fit_residual_process
from trainer.regression.joint import LEVEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MARGIN: Final = 0.05
"""Share by which the mean squared error must fall at least."""

P_LEVEL: Final = 0.01
"""Probability of publishing a layer that is not better, over both dimensions."""

TEST: Final = (
    "one-sided sign-flip test over whole groups; against the published bundle on the difference of "
    "squared errors, against the constant on the product of the deviations of rating and candidate "
    "from it; the larger p of the two, Holm-corrected over the dimensions"
)

_ALL_FLIPS_UP_TO: Final = 12
_FLIPS: Final = 19_999
_FEWEST_FOR_WIDTHS: Final = 20


@dataclass(frozen=True, slots=True)
class OutOfFoldPredictions:
    """Predictions of each annotated sound by fits without its group; shape (sounds,) each."""

    candidate: NDArray[np.float64]
    published: NDArray[np.float64]
    constant: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PublishedPredictions:
    """The published bundle on the annotated sounds, in one dimension.

    `positions`, shape (sounds, components), are in the space of its personal layer, `predicted`,
    shape (sounds,), is by its regression, and `process` is None without a layer in this dimension.
    """

    positions: NDArray[np.float32]
    predicted: NDArray[np.float64]
    process: ResidualProcess | None


def predict_out_of_fold(
    rated: RatedSounds, published: PublishedPredictions, folds: NDArray[np.intp], seed: int
) -> OutOfFoldPredictions:
    """Predict each annotated sound from other groups by candidate, published layer and constant.

    The published layer may have been fitted on some of the sounds: those of the fold are removed
    from it, so that it does not know them either. `rated` has the predictions of the candidate's
    regression; `folds`, shape (sounds,), are at least two.
    """
    candidate, constant = np.empty(len(rated)), np.empty(len(rated))
    in_service = np.clip(published.predicted, -1.0, 1.0)
    for fold in np.unique(folds):
        out = folds == fold
        known = rated.subset(~out)
        fitted = fit_residual_process(known, seed)
        candidate[out] = fitted.predict(rated.positions[out], rated.predicted[out])
        constant[out] = np.average(known.rating, weights=known.raters)
        if published.process is not None:
            left = published.process.without(rated.sound[out], rated.group[out])
            if left is not None:
                in_service[out] = left.predict(published.positions[out], published.predicted[out])
    return OutOfFoldPredictions(candidate, in_service, constant)


def sign_flip_p(differences: NDArray[np.float64], groups: NDArray[np.generic], seed: int) -> float:
    """Return p of the one-sided sign-flip test that the mean difference is not positive.

    Sounds of one group flip together. All flips are made if there are few groups, else 19,999 are
    drawn. Differences have shape (sounds,), positive where they favour the candidate; p is in (0,
    1].
    """
    members = np.unique(groups, return_inverse=True)[1]
    sums = np.bincount(members, weights=differences)
    count, observed = len(sums), differences.sum()
    if count <= _ALL_FLIPS_UP_TO:
        signs = 1 - 2 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
        return float(np.mean(signs @ sums >= observed - 1e-12))
    rng = np.random.default_rng(seed)
    reached = 1
    for done in range(0, _FLIPS, 1000):
        signs = 1 - 2 * rng.integers(0, 2, (min(1000, _FLIPS - done), count))
        reached += int(np.sum(signs @ sums >= observed - 1e-12))
    return reached / (_FLIPS + 1)


def untestable(dimension: Literal["arousal", "valence"], rated: RatedSounds) -> DimensionCompared:
    """Return the comparison of a dimension in which nothing can be held out."""
    few = "1 annotation is" if len(rated) == 1 else f"{len(rated)} annotations are"
    return DimensionCompared(
        dimension=dimension,
        annotations=len(rated),
        groups=len(np.unique(rated.group)),
        verdict=f"{dimension}: {few} too few for a test; the published layer stays.",
    )


def compare_dimension(
    dimension: Literal["arousal", "valence"],
    rated: RatedSounds,
    predicted: OutOfFoldPredictions,
    elsewhere: OutOfFoldPredictions | None,
    seed: int,
) -> DimensionCompared:
    """Return the figures of a dimension, not yet decided.

    `predicted` are out-of-fold predictions with whole groups held out, `elsewhere` with whole
    folders; None if all sounds are in one folder.
    """
    errors = {
        name: np.square(getattr(predicted, name) - rated.rating)
        for name in ("candidate", "published", "constant")
    }
    mean = {name: float(each.mean()) for name, each in errors.items()}

    def gain(name: str) -> float:
        return round(1 - mean["candidate"] / mean[name] if mean[name] > 0 else 0.0, 6)

    # Its mean is 0 where a rating is independent of its sound. It needs half the annotations that a
    # difference of squared errors needs to detect a weak relation.
    covariance = (rated.rating - predicted.constant) * (predicted.candidate - predicted.constant)
    return DimensionCompared(
        dimension=dimension,
        annotations=len(rated),
        groups=len(np.unique(rated.group)),
        rmse_in_service=_rmse(predicted.published, rated),
        rmse_candidate=_rmse(predicted.candidate, rated),
        rmse_constant=_rmse(predicted.constant, rated),
        rmse_without_layer=_rmse(rated.predicted, rated),
        rmse_in_service_elsewhere=None if elsewhere is None else _rmse(elsewhere.published, rated),
        rmse_candidate_elsewhere=None if elsewhere is None else _rmse(elsewhere.candidate, rated),
        gain_over_service=gain("published"),
        gain_over_constant=gain("constant"),
        p_over_service=sign_flip_p(errors["published"] - errors["candidate"], rated.group, seed),
        p_over_constant=sign_flip_p(covariance, rated.group, seed),
    )


def decide(dimensions: Sequence[DimensionCompared]) -> list[DimensionCompared]:
    """Decide for each dimension whether its new layer is to be published.

    Holm's rule (Scandinavian Journal of Statistics 6, 1979): the dimension with the smaller p must
    reach half the level; only then may the other use the whole of it.
    """
    tested = sorted((each for each in dimensions if each.p_over_service is not None), key=_p)
    significant: dict[str, bool] = {}
    for rank, each in enumerate(tested):
        before = all(significant.values())
        significant[each.dimension] = before and _p(each) <= P_LEVEL / (len(tested) - rank)
    return [
        _with_verdict(each, significant=significant[each.dimension])
        if each.dimension in significant
        else each
        for each in dimensions
    ]


def widening_factor(
    rated: RatedSounds, predicted: NDArray[np.float64], half_widths: NDArray[np.float64]
) -> float:
    """Return the factor by which intervals must widen to reach their coverage for these listeners.

    The conformal quantile of the errors of out-of-fold predictions, in units of the half widths of
    the regression's intervals. Below 20 sounds that quantile is unreliable, and intervals are
    widened but never narrowed by it.
    """
    errors = np.abs(predicted - rated.rating) / np.maximum(half_widths, 1e-6)
    level = min(1.0, LEVEL * (1 + 1 / len(errors)))
    widening = float(np.quantile(errors, level, method="higher"))
    return max(widening, 1e-3 if len(errors) >= _FEWEST_FOR_WIDTHS else 1.0)


def _with_verdict(found: DimensionCompared, *, significant: bool) -> DimensionCompared:
    over_published = found.gain_over_service or 0.0
    over_constant = found.gain_over_constant or 0.0
    harms = (found.rmse_candidate_elsewhere or 0.0) > (found.rmse_in_service_elsewhere or 0.0)
    if over_published < MARGIN:
        reason = "not better than the published bundle"
    elif over_constant < MARGIN:
        reason = "not better than predicting the mean annotation"
    elif harms:
        reason = "better in the annotated folders but worse in others, so not published"
    elif not significant:
        reason = "perhaps better, but not significantly"
    else:
        reason = "better than the published bundle"
    figures = (
        f"held-out error {found.rmse_candidate:.3f}, published {found.rmse_in_service:.3f}, "
        f"constant {found.rmse_constant:.3f}, p {_p(found):.2g}"
    )
    verdict = f"{found.dimension}: {reason} on {found.annotations} annotations ({figures})."
    passed = significant and min(over_published, over_constant) >= MARGIN and not harms
    return found.model_copy(update={"passed": passed, "verdict": verdict})


def _p(found: DimensionCompared) -> float:
    """Return the larger p of both tests; 1 without a test."""
    both = (found.p_over_service, found.p_over_constant)
    return max(1.0 if p is None else p for p in both)


def _rmse(predicted: NDArray[np.float64], rated: RatedSounds) -> float:
    mean = float(np.mean(np.square(predicted - rated.rating)))
    return round(math.sqrt(mean), 6)
