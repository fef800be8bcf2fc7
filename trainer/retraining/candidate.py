"""A candidate: listener layers fitted on annotations, beside those of the bundle in service."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

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
from trainer.regression.kernel_expert import DIMENSIONS
from trainer.retraining.refit import refit_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.bundles.bundle import Bundle
    from trainer.personal.annotation_arrays import AnnotationArrays
    from trainer.personal.comparison import CorporaCompared, DimensionCompared
    from trainer.personal.gaussian_process import ResidualProcess
    from trainer.regression.training_table import TrainingTable

    Layers = dict[str, ResidualProcess | None]

FOLDS: Final = 10

MOST_WORSE: Final = 0.02
"""Share by which a new regression may raise the squared error on the annotations."""

_NAMES: Final[tuple[Literal["arousal", "valence"], ...]] = ("arousal", "valence")
_BLOCK: Final = 500


@dataclass(frozen=True, slots=True)
class AnnotatedPredictions:
    """Annotated sounds as a regression meets them.

    Attributes:
        said: shape (sounds, 2), what it says.
        half_widths: shape (sounds, 2), of its intervals.
        places: shape (sounds, components), in the listener's space.
    """

    said: NDArray[np.float64]
    half_widths: NDArray[np.float64]
    places: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may be put in service.

    Attributes:
        base: whose regression and manifest it has.
        table: what that regression was fitted on.
        personal: the personal layer above it.
        comparison: with the bundle in service.
    """

    base: Bundle
    table: TrainingTable
    personal: PersonalLayer
    comparison: BundleComparison


def best_candidate(
    service: Bundle,
    table: TrainingTable,
    annotations: AnnotationArrays,
    corpora: Sequence[TrainingTable],
    seed: int,
) -> Candidate:
    """Fit what can be learned, and return what passed; if nothing did, what came nearest.

    With new corpora the regression is fitted again. If that is not worth having, or would take from
    the annotations what the corpora give, layers above the regression in service are tried.

    Args:
        service: the bundle in service.
        table: what its regression was fitted on.
        annotations: all that are in force.
        corpora: what has come in; may be none.
        seed: of folds, draws and tests.

    Raises:
        TrainingError: a fit fails.
    """
    if not corpora:
        return fit_candidate(service, BaseRegression(service, table), annotations, seed)
    refitted = refit_with(service, table, corpora, seed)
    fresh = fit_candidate(
        service,
        BaseRegression(refitted.bundle, refitted.table, refitted.compared),
        annotations,
        seed,
    )
    if fresh.comparison.passed:
        return fresh
    stayed = fit_candidate(service, BaseRegression(service, table), annotations, seed)
    if not stayed.comparison.passed:
        return fresh
    told = stayed.comparison.model_copy(update={"corpora": refitted.compared})
    return replace(stayed, comparison=told)


@dataclass(frozen=True, slots=True)
class BaseRegression:
    """A regression to put a listener layer on.

    Attributes:
        bundle: that has it.
        table: what it was fitted on.
        compared: beside the regression in service; None if it is that one.
    """

    bundle: Bundle
    table: TrainingTable
    compared: CorporaCompared | None = None


def fit_candidate(
    service: Bundle, base: BaseRegression, annotations: AnnotationArrays, seed: int
) -> Candidate:
    """Fit a listener layer above a regression, and compare it with the bundle in service.

    Args:
        service: the bundle in service.
        base: the regression below the layer.
        annotations: all that are in force.
        seed: of folds, draws and tests.

    Returns:
        A candidate with the new layer in each dimension that passed and what is in service in the
        other, fitted again if the regression is new. If the candidate as a whole did not pass: with
        what was tried in both.
    """
    unmet = ~np.isin(sound_keys(annotations.vectors), sound_keys(base.table.vectors))
    known = annotations.subset(unmet)
    space, layer = _space(base), service.personal
    met = before = predict_annotated(base.bundle, space, known.vectors)
    if base.compared is not None:
        before = predict_annotated(service, layer.space if layer else space, known.vectors)
    layers: Layers = {name: layer.of(name) if layer else None for name in _NAMES}
    tried = [
        _tried(dim, known, (met, before), layers[name], seed) for dim, name in enumerate(_NAMES)
    ]
    dimensions = decide([each for each, _ in tried])
    fitted: Layers = {name: each for name, (_, each) in zip(_NAMES, tried, strict=True)}
    passed = _passes(base, dimensions, layers)
    comparison = BundleComparison(
        yardstick=service.name,
        seed=seed,
        folds=FOLDS,
        test=TEST,
        level=P_LEVEL,
        margin=MARGIN,
        left_out=int((~unmet).sum()),
        dimensions=dimensions,
        corpora=base.compared,
        passed=passed,
        verdict=_sentence(dimensions, base.compared),
    )
    chosen = _chosen(base, dimensions, layers, fitted) if passed else fitted
    return Candidate(base.bundle, base.table, PersonalLayer(space, **chosen), comparison)


def predict_annotated(
    service: Bundle, space: ComponentSpace, vectors: NDArray[np.float32]
) -> AnnotatedPredictions:
    """Return what the regression of a bundle says of sounds, and where they lie.

    Args:
        service: the bundle; its listener layer is not asked.
        space: of the layer to come.
        vectors: shape (sounds, descriptors).
    """
    said, widths, places = [np.empty((0, 2))], [np.empty((0, 2))], []
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        found = service.regression.predict_all(block)
        said.append(np.stack([getattr(found, name) for name in DIMENSIONS], axis=1))
        widths.append(np.stack([half_widths(found, name) for name in DIMENSIONS], axis=1))
        places.append(space.project(service.normal_scores(block)))
    empty = np.empty((0, len(space.origin)), dtype=np.float32)
    return AnnotatedPredictions(
        np.concatenate(said), np.concatenate(widths), np.concatenate([empty, *places])
    )


def _tried(
    dim: int,
    annotations: AnnotationArrays,
    met: tuple[AnnotatedPredictions, AnnotatedPredictions],
    layer: ResidualProcess | None,
    seed: int,
) -> tuple[DimensionCompared, ResidualProcess | None]:
    """Fit one dimension and hold it against what is in service; nothing is decided yet.

    Args:
        dim: 0 is arousal.
        annotations: of sounds that the regression was not fitted on.
        met: these, as the candidate and as the bundle in service meets them.
        layer: what is in service above the latter.
        seed: of folds, draws and tests.
    """
    rows = np.isfinite(annotations.ratings[:, dim])
    chosen = annotations.subset(rows)
    now, before = met
    rated = RatedSounds(
        positions=now.places[rows],
        predicted=now.said[rows, dim],
        rating=chosen.ratings[:, dim],
        raters=chosen.raters.astype(np.float64),
        sound=sound_keys(chosen.vectors),
        group=group_keys(chosen.group),
    )
    groups = len(np.unique(rated.group))
    if groups < 2:  # noqa: PLR2004 - one group to learn from and one to ask of
        return untestable(_NAMES[dim], rated), layer
    service = PublishedPredictions(before.places[rows], before.said[rows, dim], layer)
    said = predict_out_of_fold(rated, service, _folds(chosen.group, seed), seed)
    elsewhere = None
    if len(np.unique(chosen.folder)) > 1:
        elsewhere = predict_out_of_fold(rated, service, _folds(chosen.folder, seed), seed)
    widening = widening_factor(rated, said.candidate, now.half_widths[rows, dim])
    fitted = replace(fit_residual_process(rated, seed), widening=widening)
    return compare_dimension(_NAMES[dim], rated, said, elsewhere, seed), fitted


def _folds(group: NDArray[np.str_], seed: int) -> NDArray[np.intp]:
    alike = np.zeros(len(group), dtype=np.str_)
    return grouped_folds(alike, group, min(FOLDS, len(np.unique(group))), seed)


def _space(base: BaseRegression) -> ComponentSpace:
    """Return the space of a regression's own clips; a layer above it knows that already."""
    if base.bundle.personal is not None:
        return base.bundle.personal.space
    return fit_space(base.bundle.normal_scores(base.table.vectors))


def _passes(
    base: BaseRegression,
    dimensions: Sequence[DimensionCompared],
    layers: Layers,
) -> bool:
    if base.compared is None:
        return any(each.passed for each in dimensions)
    worse = [_worse(each, had_layer=layers[each.dimension] is not None) for each in dimensions]
    return base.compared.passed and not any(worse)


def _chosen(
    base: BaseRegression,
    dimensions: Sequence[DimensionCompared],
    layers: Layers,
    fitted: Layers,
) -> Layers:
    """Return the layer of each dimension for a candidate that passed."""
    chosen = dict(layers)
    for each in dimensions:
        # What was fitted above another regression does not fit this one.
        again = base.compared is not None and layers[each.dimension] is not None
        if each.passed or again:
            chosen[each.dimension] = fitted[each.dimension]
    return chosen


def _worse(found: DimensionCompared, *, had_layer: bool) -> bool:
    """Say whether what a new regression brings errs more on the annotations than is in service."""
    served = found.rmse_candidate if found.passed or had_layer else found.rmse_without_layer
    if served is None or found.rmse_in_service is None:
        return False
    return served**2 > (1 + MOST_WORSE) * found.rmse_in_service**2


def _sentence(dimensions: Sequence[DimensionCompared], corpora: CorporaCompared | None) -> str:
    said = [each.verdict for each in dimensions]
    return " ".join(said if corpora is None else [corpora.verdict, *said])
