"""A candidate: listener layers fitted on annotations, beside those of the bundle in service."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from trainer.annotations import group_keys, sound_keys
from trainer.bundle import TABLE
from trainer.calibration import Rated, fit_calibration
from trainer.comparison import Comparison
from trainer.experts import DIMENSIONS
from trainer.folds import grouped_folds
from trainer.judging import (
    MARGIN,
    P_LEVEL,
    TEST,
    InService,
    compared,
    hold_out,
    judged,
    untested,
    widening_of,
)
from trainer.listener import Listener, Space, fit_space, half_widths
from trainer.table import decode_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.annotations import Annotations
    from trainer.bundle import Bundle
    from trainer.calibration import Calibration
    from trainer.comparison import DimensionCompared

FOLDS: Final = 10

_NAMES: Final[tuple[Literal["arousal", "valence"], ...]] = ("arousal", "valence")
_BLOCK: Final = 500


@dataclass(frozen=True, slots=True)
class Met:
    """Annotated sounds as a regression meets them.

    Attributes:
        said: shape (sounds, 2), what it says.
        half_widths: shape (sounds, 2), of its intervals.
        places: shape (sounds, components), in the listener's space.
    """

    said: NDArray[np.float64]
    half_widths: NDArray[np.float64]
    places: NDArray[np.float32]


def compared_with(
    service: Bundle, content: dict[str, bytes], annotations: Annotations, seed: int
) -> tuple[Comparison, Listener]:
    """Fit a listener layer above the regression in service, and compare it with what is there.

    Args:
        service: the bundle in service.
        content: its files.
        annotations: all that are in force.
        seed: of folds, draws and tests.

    Returns:
        The comparison, and the layer to go with it: the new one in each dimension that passed and
        what is in service in the other; if none passed, what was tried in both.
    """
    table = decode_table(content[TABLE], service.name)
    unmet = ~np.isin(sound_keys(annotations.vectors), sound_keys(table.vectors))
    annotations = annotations.chosen(unmet)
    layer = service.listener
    space = layer.space if layer else fit_space(service.normal_scores(table.vectors))
    met = meet(service, space, annotations.vectors)
    tried = [
        _tried(dim, name, annotations, met, layer.of(name) if layer else None, seed)
        for dim, name in enumerate(_NAMES)
    ]
    dimensions = judged([each for each, _ in tried])
    passed = any(each.passed for each in dimensions)
    chosen = {
        each.dimension: fitted
        if each.passed or not passed
        else (layer.of(each.dimension) if layer else None)
        for each, (_, fitted) in zip(dimensions, tried, strict=True)
    }
    comparison = Comparison(
        yardstick=service.name,
        seed=seed,
        folds=FOLDS,
        test=TEST,
        level=P_LEVEL,
        margin=MARGIN,
        left_out=int((~unmet).sum()),
        dimensions=dimensions,
        corpora=None,
        passed=passed,
        verdict=_sentence(dimensions),
    )
    return comparison, Listener(space, **chosen)


def meet(service: Bundle, space: Space, vectors: NDArray[np.float32]) -> Met:
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
        places.append(space.places(service.normal_scores(block)))
    empty = np.empty((0, len(space.origin)), dtype=np.float32)
    return Met(np.concatenate(said), np.concatenate(widths), np.concatenate([empty, *places]))


def _tried(
    dim: int,
    name: Literal["arousal", "valence"],
    annotations: Annotations,
    met: Met,
    layer: Calibration | None,
    seed: int,
) -> tuple[DimensionCompared, Calibration | None]:
    rows = np.isfinite(annotations.ratings[:, dim])
    chosen = annotations.chosen(rows)
    rated = Rated(
        places=met.places[rows],
        said=met.said[rows, dim],
        rating=chosen.ratings[:, dim],
        raters=chosen.raters.astype(np.float64),
        sound=sound_keys(chosen.vectors),
        group=group_keys(chosen.group),
    )
    groups = len(np.unique(rated.group))
    if groups < 2:  # noqa: PLR2004 - one group to learn from and one to ask of
        return untested(name, rated), layer
    folds = grouped_folds(
        np.zeros(len(rated), dtype=np.str_), chosen.group, min(FOLDS, groups), seed
    )
    said = hold_out(rated, InService(rated.places, rated.said, layer), folds, seed)
    fitted = replace(
        fit_calibration(rated, seed),
        widening=widening_of(rated, said.candidate, met.half_widths[rows, dim]),
    )
    return compared(name, rated, said, seed), fitted


def _sentence(dimensions: Sequence[DimensionCompared]) -> str:
    return " ".join(each.verdict for each in dimensions)
