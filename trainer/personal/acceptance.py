"""Whether a new listener layer is better than what is in service, beyond what chance would do.

Every annotated sound is predicted by a layer that knew nothing of its group, and so is it by the
layer in service and by a constant, the mean of the other groups' annotations. The new layer has to
beat both. Without the constant, ratings thrown by dice would do: whoever shrinks every prediction
to the middle errs less on dice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from trainer.personal.comparison import DimensionCompared
from trainer.personal.gaussian_process import RatedSounds, ResidualProcess, fit_calibration
from trainer.regression.joint import LEVEL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MARGIN: Final = 0.05
"""Share by which the mean squared error must fall at least."""

P_LEVEL: Final = 0.01
"""Chance that a layer which is no better is published, over both dimensions."""

TEST: Final = (
    "sign flips of whole groups, one-sided; against the bundle in service on the difference of "
    "squared errors, against the constant on the product of what the rating and what the candidate "
    "departs from it; the larger p of the two, Holm over the dimensions"
)

_ALL_FLIPS_UP_TO: Final = 12
_FLIPS: Final = 19_999
_FEWEST_FOR_WIDTHS: Final = 20


@dataclass(frozen=True, slots=True)
class OutOfFoldPredictions:
    """What was said of each annotated sound without knowing its group; shape (sounds,) each."""

    candidate: NDArray[np.float64]
    in_service: NDArray[np.float64]
    constant: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PublishedPredictions:
    """What the bundle in service makes of the annotated sounds of one dimension.

    Attributes:
        positions: shape (sounds, components), in the space of its listener layer.
        predicted: shape (sounds,), what its regression says.
        calibration: of its listener layer; None if it has none in this dimension.
    """

    positions: NDArray[np.float32]
    predicted: NDArray[np.float64]
    calibration: ResidualProcess | None


def predict_out_of_fold(
    rated: RatedSounds, service: PublishedPredictions, folds: NDArray[np.intp], seed: int
) -> OutOfFoldPredictions:
    """Predict each annotated sound from other groups, by all three.

    A layer in service may have been fitted on some of the sounds: those of the fold are taken out
    of it, so that it is asked of what it does not know, as the candidate is.

    Args:
        rated: the annotated sounds as the candidate meets them.
        service: the same sounds as the bundle in service meets them.
        folds: shape (sounds,), at least two different ones.
        seed: of the candidate's fits.
    """
    candidate, constant = np.empty(len(rated)), np.empty(len(rated))
    in_service = np.clip(service.predicted, -1.0, 1.0)
    for fold in np.unique(folds):
        out = folds == fold
        known = rated.subset(~out)
        candidate[out] = fit_calibration(known, seed).predict(
            rated.positions[out], rated.predicted[out]
        )
        constant[out] = np.average(known.rating, weights=known.raters)
        if service.calibration is not None:
            left = service.calibration.without(rated.sound[out], rated.group[out])
            if left is not None:
                in_service[out] = left.predict(service.positions[out], service.predicted[out])
    return OutOfFoldPredictions(candidate, in_service, constant)


def sign_flip_p(differences: NDArray[np.float64], groups: NDArray[np.generic], seed: int) -> float:
    """Return how likely a mean as large as this one is if there is none in truth.

    The one-sided sign-flip test: each group's sum could then as well have the other sign.
    All flips are made if there are few groups, else 19,999 are drawn.

    Args:
        differences: shape (sounds,); positive where they speak for the candidate.
        groups: shape (sounds,); sounds of one group flip together.
        seed: of the drawing.

    Returns:
        p, in (0, 1].
    """
    members = np.unique(groups, return_inverse=True)[1]
    sums = np.bincount(members, weights=differences)
    count, observed = len(sums), differences.sum()
    if count <= _ALL_FLIPS_UP_TO:
        signs = 1 - 2 * (np.arange(2**count)[:, None] >> np.arange(count) & 1)
        return float(np.mean(signs @ sums >= observed - 1e-12))
    drawing = np.random.default_rng(seed)
    reached = 1
    for done in range(0, _FLIPS, 1000):
        signs = 1 - 2 * drawing.integers(0, 2, (min(1000, _FLIPS - done), count))
        reached += int(np.sum(signs @ sums >= observed - 1e-12))
    return reached / (_FLIPS + 1)


def untestable(dimension: Literal["arousal", "valence"], rated: RatedSounds) -> DimensionCompared:
    """Return the record of a dimension in which nothing can be held out."""
    return DimensionCompared(
        dimension=dimension,
        annotations=len(rated),
        groups=len(np.unique(rated.group)),
        rmse_in_service=None,
        rmse_candidate=None,
        rmse_constant=None,
        rmse_without_layer=None,
        rmse_in_service_elsewhere=None,
        rmse_candidate_elsewhere=None,
        gain_over_service=None,
        gain_over_constant=None,
        p_over_service=None,
        p_over_constant=None,
        passed=False,
        verdict=f"{dimension}: {len(rated)} annotations cannot be told from chance; "
        "the layer in service stays.",
    )


def compare_dimension(
    dimension: Literal["arousal", "valence"],
    rated: RatedSounds,
    said: OutOfFoldPredictions,
    elsewhere: OutOfFoldPredictions | None,
    seed: int,
) -> DimensionCompared:
    """Return the figures of a dimension, not yet decide.

    Args:
        dimension: its name.
        rated: the annotated sounds.
        said: of them, each group held out.
        elsewhere: of them, each place held out; None if all are in one.
        seed: of the test.
    """
    errors = {
        name: np.square(getattr(said, name) - rated.rating)
        for name in ("candidate", "in_service", "constant")
    }
    mean = {name: float(each.mean()) for name, each in errors.items()}

    def gain(name: str) -> float:
        return 1 - mean["candidate"] / mean[name] if mean[name] > 0 else 0.0

    # Where a rating knows nothing of its sound, this has no mean; and it tells a weak order from
    # none with half the annotations that a difference of squared errors needs.
    together = (rated.rating - said.constant) * (said.candidate - said.constant)
    return DimensionCompared(
        dimension=dimension,
        annotations=len(rated),
        groups=len(np.unique(rated.group)),
        rmse_in_service=_rounded(mean["in_service"] ** 0.5),
        rmse_candidate=_rounded(mean["candidate"] ** 0.5),
        rmse_constant=_rounded(mean["constant"] ** 0.5),
        rmse_without_layer=_rmse(rated.predicted, rated),
        rmse_in_service_elsewhere=_rmse_elsewhere(elsewhere, "in_service", rated),
        rmse_candidate_elsewhere=_rmse_elsewhere(elsewhere, "candidate", rated),
        gain_over_service=_rounded(gain("in_service")),
        gain_over_constant=_rounded(gain("constant")),
        p_over_service=sign_flip_p(errors["in_service"] - errors["candidate"], rated.group, seed),
        p_over_constant=sign_flip_p(together, rated.group, seed),
        passed=False,
        verdict="",
    )


def decide(dimensions: Sequence[DimensionCompared]) -> list[DimensionCompared]:
    """Say of each dimension whether its new layer is to be published.

    Holm's rule (Scandinavian Journal of Statistics 6, 1979): the dimension with the smaller p must
    reach half the level, and only then is the other asked to reach the whole of it.
    """
    tested = sorted((each for each in dimensions if _chance(each) is not None), key=_largest)
    reached: dict[str, bool] = {}
    for rank, each in enumerate(tested):
        needed = P_LEVEL / (len(tested) - rank)
        before = all(reached.values())
        reached[each.dimension] = before and _largest(each) <= needed
    return [
        each if _chance(each) is None else _with_verdict(each, unlikely=reached[each.dimension])
        for each in dimensions
    ]


def widening_factor(
    rated: RatedSounds, said: NDArray[np.float64], half_widths: NDArray[np.float64]
) -> float:
    """Return what intervals must be multiplied by to hold what they promise to these listeners.

    The conformal quantile of held-out errors in units of the regression's half widths. Below 20
    sounds that quantile is itself a guess, and intervals are widened but never narrowed by it.

    Args:
        rated: the annotated sounds.
        said: shape (sounds,), what the candidate said of them, held out.
        half_widths: shape (sounds,), of the regression's intervals.
    """
    errors = np.abs(said - rated.rating) / np.maximum(half_widths, 1e-6)
    level = min(1.0, LEVEL * (1 + 1 / len(errors)))
    widening = float(np.quantile(errors, level, method="higher"))
    return max(widening, 1e-3 if len(errors) >= _FEWEST_FOR_WIDTHS else 1.0)


def _with_verdict(found: DimensionCompared, *, unlikely: bool) -> DimensionCompared:
    over = min(found.gain_over_service or 0.0, found.gain_over_constant or 0.0)
    harms = (found.rmse_candidate_elsewhere or 0.0) > (found.rmse_in_service_elsewhere or 0.0)
    passed = unlikely and over >= MARGIN and not harms
    beside = (
        f"held-out error {found.rmse_candidate:.3f}, in service {found.rmse_in_service:.3f}, "
        f"constant {found.rmse_constant:.3f}, p {_largest(found):.2g}"
    )
    if passed:
        said = "better than what is in service"
    elif (found.gain_over_service or 0.0) < MARGIN:
        said = "not better than what is in service"
    elif (found.gain_over_constant or 0.0) < MARGIN:
        said = "not better than always saying the mean annotation"
    elif harms:
        said = "better beside what was annotated, but worse in other folders, and so not taken"
    else:
        said = "perhaps better, but that could be chance"
    verdict = f"{found.dimension}: {said} on {found.annotations} annotations ({beside})."
    return found.model_copy(update={"passed": passed, "verdict": verdict})


def _chance(found: DimensionCompared) -> float | None:
    if found.p_over_service is None or found.p_over_constant is None:
        return None
    return max(found.p_over_service, found.p_over_constant)


def _largest(found: DimensionCompared) -> float:
    chance = _chance(found)
    return 1.0 if chance is None else chance


def _rmse(said: NDArray[np.float64], rated: RatedSounds) -> float:
    return _rounded(float(np.mean(np.square(said - rated.rating))) ** 0.5)


def _rmse_elsewhere(
    said: OutOfFoldPredictions | None, who: str, rated: RatedSounds
) -> float | None:
    return None if said is None else _rmse(getattr(said, who), rated)


def _rounded(value: float) -> float:
    return round(value, 6)
