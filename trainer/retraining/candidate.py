"""A candidate: a personal layer fitted on annotations, compared with the published bundle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.personal.acceptance import (
    MARGIN,
    P_LEVEL,
    TEST,
    PublishedPredictions,
    compare_dimension,
    decide,
    predict_out_of_fold,
    untestable,
    widening_factor,
)
from trainer.personal.annotation_arrays import group_keys, sound_keys
from trainer.personal.comparison import BundleComparison
from trainer.personal.gaussian_process import RatedSounds, fit_residual_process
from trainer.personal.layer import ComponentSpace, PersonalLayer, fit_space, half_widths
from trainer.regression.folds import grouped_folds
from trainer.regression.same_sounds import linked, same_sounds
from trainer.retraining.refit import DIMENSION_NAMES, BaseRegression, refit_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.bundles.bundle import Bundle
    from trainer.personal.annotation_arrays import AnnotationArrays
    from trainer.personal.comparison import DimensionCompared
    from trainer.personal.gaussian_process import ResidualProcess
    from trainer.regression.training_table import TrainingTable

    Layers = dict[str, ResidualProcess | None]

FOLDS: Final = 10

MOST_WORSE: Final = 0.02
"""Share by which a new regression may raise the squared error on the annotations."""

_BLOCK: Final = 500


@dataclass(frozen=True, slots=True)
class AnnotatedPredictions:
    """Predictions of a regression for annotated sounds.

    Attributes:
        predicted: shape (sounds, 2).
        half_widths: shape (sounds, 2), of the intervals.
        positions: shape (sounds, components), in the space of a personal layer.
    """

    predicted: NDArray[np.float64]
    half_widths: NDArray[np.float64]
    positions: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may be published.

    Attributes:
        base: the regression, and the manifest to start from.
        personal: the personal layer above it.
        comparison: with the published bundle.
    """

    base: BaseRegression
    personal: PersonalLayer
    comparison: BundleComparison


def best_candidate(
    published: BaseRegression,
    annotations: AnnotationArrays,
    corpora: Sequence[TrainingTable],
    seed: int,
) -> Candidate:
    """Fit what can be learned; return a candidate that passed, else the nearest to passing.

    With new corpora the regression is fitted again. If that does not pass, by itself or because it
    is worse on the annotations, a layer above the published regression is tried.

    `annotations` are all that are valid, `corpora` only the new ones, perhaps none; `seed` sets
    folds, draws and tests.

    Raises:
        TrainingError: a fit fails.
    """
    if not corpora:
        return fit_candidate(published.bundle, published, annotations, seed)
    refitted = refit_with(published, corpora, seed)
    fresh = fit_candidate(published.bundle, refitted, annotations, seed)
    if fresh.comparison.passed:
        return fresh
    stayed = fit_candidate(published.bundle, published, annotations, seed)
    if not stayed.comparison.passed:
        return fresh
    comparison = stayed.comparison.model_copy(update={"corpora": refitted.compared})
    return replace(stayed, comparison=comparison)


def fit_candidate(
    published: Bundle, base: BaseRegression, annotations: AnnotationArrays, seed: int
) -> Candidate:
    """Fit a personal layer above a regression, and compare it with the published bundle.

    `annotations` are all that are valid; `seed` sets folds, draws and tests.

    Returns:
        A candidate with the new layer in each dimension that passed and the published layer in the
        other, fitted again if the regression is new. If the candidate did not pass: with the new
        layer in both.
    """
    known = without_fitted(annotations, base.table)
    left_out = len(annotations) - len(known)
    space, layer = _space(base), published.personal
    new = old = predict_annotated(base.bundle, space, known.vectors)
    if base.compared is not None:
        old = predict_annotated(published, layer.space if layer else space, known.vectors)
    layers: Layers = {name: layer.of(name) if layer else None for name in DIMENSION_NAMES}
    fits = [
        _fit_dimension(dim, known, (new, old), layers[name], seed)
        for dim, name in enumerate(DIMENSION_NAMES)
    ]
    dimensions = decide([compared for compared, _ in fits])
    fitted: Layers = {name: each for name, (_, each) in zip(DIMENSION_NAMES, fits, strict=True)}
    passed = _passes(base, dimensions, layers)
    verdicts = [each.verdict for each in (base.compared, *dimensions) if each is not None]
    if left_out:
        verdicts.append(
            f"{left_out} annotated sounds are left out: the regression was fitted on them."
            if left_out > 1
            else "One annotated sound is left out: the regression was fitted on it."
        )
    comparison = BundleComparison(
        yardstick=published.name,
        seed=seed,
        folds=FOLDS,
        test=TEST,
        level=P_LEVEL,
        margin=MARGIN,
        left_out=left_out,
        dimensions=dimensions,
        corpora=base.compared,
        passed=passed,
        verdict=" ".join(verdicts),
    )
    chosen = _chosen(base, dimensions, layers, fitted) if passed else fitted
    return Candidate(base, PersonalLayer(space, **chosen), comparison)


def without_fitted(annotations: AnnotationArrays, table: TrainingTable) -> AnnotationArrays:
    """Leave out the annotated sounds that are in a table, and link the groups of the others.

    Several files of one recording share a group and a folder, so that no fold separates them.
    """
    if not len(annotations):
        return annotations
    same = same_sounds(np.concatenate([table.vectors, annotations.vectors]))
    fitted, own = same[: len(table)], same[len(table) :]
    unseen = ~np.isin(own, fitted)
    known, own = annotations.subset(unseen), own[unseen]
    return replace(known, group=linked(known.group, own), folder=linked(known.folder, own))


def predict_annotated(
    bundle: Bundle, space: ComponentSpace, vectors: NDArray[np.float32]
) -> AnnotatedPredictions:
    """Predict vectors, shape (sounds, descriptors), by a regression without its personal layer.

    `space` is that of the personal layer to fit.
    """
    predicted, widths = [np.empty((0, 2))], [np.empty((0, 2))]
    positions = [np.empty((0, len(space.origin)), dtype=np.float32)]
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        found = bundle.regression.predict_all(block)
        predicted.append(np.stack([getattr(found, name) for name in DIMENSION_NAMES], axis=1))
        widths.append(np.stack([half_widths(found, name) for name in DIMENSION_NAMES], axis=1))
        positions.append(space.project(bundle.normal_scores(block)))
    return AnnotatedPredictions(
        np.concatenate(predicted), np.concatenate(widths), np.concatenate(positions)
    )


def _fit_dimension(
    dim: int,
    annotations: AnnotationArrays,
    predictions: tuple[AnnotatedPredictions, AnnotatedPredictions],
    layer: ResidualProcess | None,
    seed: int,
) -> tuple[DimensionCompared, ResidualProcess | None]:
    """Fit one dimension and compare it with the published bundle; nothing is decided yet.

    Args:
        dim: 0 is arousal.
        annotations: of sounds that the regression was not fitted on.
        predictions: for these, by the candidate's and by the published regression.
        layer: the published layer above the latter.
        seed: of folds, draws and tests.
    """
    rows = np.isfinite(annotations.ratings[:, dim])
    chosen = annotations.subset(rows)
    new, old = predictions
    rated = RatedSounds(
        positions=new.positions[rows],
        predicted=new.predicted[rows, dim],
        rating=chosen.ratings[:, dim],
        raters=chosen.raters.astype(np.float64),
        sound=sound_keys(chosen.vectors),
        group=group_keys(chosen.group),
    )
    if len(np.unique(rated.group)) < 2:  # noqa: PLR2004 - one to learn from and one to hold out
        return untestable(DIMENSION_NAMES[dim], rated), layer
    published = PublishedPredictions(old.positions[rows], old.predicted[rows, dim], layer)
    predicted = predict_out_of_fold(rated, published, _folds(chosen.group, seed), seed)
    elsewhere = None
    if len(np.unique(chosen.folder)) > 1:
        elsewhere = predict_out_of_fold(rated, published, _folds(chosen.folder, seed), seed)
    widening = widening_factor(rated, predicted.candidate, new.half_widths[rows, dim])
    fitted = replace(fit_residual_process(rated, seed), widening=widening)
    return compare_dimension(DIMENSION_NAMES[dim], rated, predicted, elsewhere, seed), fitted


def _folds(group: NDArray[np.str_], seed: int) -> NDArray[np.intp]:
    one_corpus = np.zeros(len(group), dtype=np.str_)
    return grouped_folds(one_corpus, group, min(FOLDS, len(np.unique(group))), seed)


def _space(base: BaseRegression) -> ComponentSpace:
    """Return the space of the clips that a regression was fitted on, stored if it has a layer."""
    if base.bundle.personal is not None:
        return base.bundle.personal.space
    return fit_space(base.bundle.normal_scores(base.table.vectors))


def _passes(base: BaseRegression, dimensions: Sequence[DimensionCompared], layers: Layers) -> bool:
    if base.compared is None:
        return any(each.passed for each in dimensions)
    worse = [_is_worse(each, had_layer=layers[each.dimension] is not None) for each in dimensions]
    return base.compared.passed and not any(worse)


def _is_worse(compared: DimensionCompared, *, had_layer: bool) -> bool:
    """Return whether a new regression has larger errors on the annotations than the published."""
    has_layer = compared.passed or had_layer
    rmse = compared.rmse_candidate if has_layer else compared.rmse_without_layer
    if rmse is None or compared.rmse_in_service is None:
        return False
    return rmse**2 > (1 + MOST_WORSE) * compared.rmse_in_service**2


def _chosen(
    base: BaseRegression, dimensions: Sequence[DimensionCompared], layers: Layers, fitted: Layers
) -> Layers:
    """Return the layer of each dimension for a candidate that passed."""
    chosen = dict(layers)
    for each in dimensions:
        # A layer that was fitted above another regression does not fit this one.
        outdated = base.compared is not None and layers[each.dimension] is not None
        if each.passed or outdated:
            chosen[each.dimension] = fitted[each.dimension]
    return chosen
