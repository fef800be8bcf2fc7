"""One kernel regression over both domains, told in several ways which domain a clip is of.

What our two experts and their gate are measured against. All but the one that is told nothing know
the domain of the clips that they are asked of, which the gate has to find out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from trainer.evaluation.cross_validation import OUTER_FOLDS
from trainer.regression.folds import grouped_folds
from trainer.regression.joint import JointRegression
from trainer.regression.kernel_expert import DIMENSIONS, KernelExpert

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

Telling = Literal["nothing", "feature", "offset", "coral"]

APART = 1.0
"""How far a clip lies from all those of the other domain, besides, where the domain is a feature:
in units of the kernel's reach."""

RIDGE = 0.1
"""Of the covariances that are aligned, as a share of their mean variance: with fewer clips than
directions they have no inverse."""


def by_one_kernel(table: TrainingTable, seed: int, *, telling: Telling) -> NDArray[np.float64]:
    """Predict by one expert fitted on everything, with the settings of our music expert.

    Args:
        table: all clips, heard alike.
        seed: of the folds, which are those of `cross_validate`.
        telling: what it makes of the domain. ``feature``: clips of different domains are less
            alike. ``offset``: each domain's mean is taken out, and put back. ``coral``: that, and
            the descriptors of sounds are given the covariance that those of music have (Sun, Feng
            and Saenko, AAAI 2016).

    Returns:
        Shape (clips, 2).
    """
    folds = grouped_folds(table.corpus, table.group, OUTER_FOLDS, seed)
    predicted = np.empty(table.ratings.shape)
    for fold in range(OUTER_FOLDS):
        out = folds == fold
        predicted[out] = _fold(table, ~out, out, telling)
    return np.clip(predicted, -1.0, 1.0)


def _fold(
    table: TrainingTable, known: NDArray[np.bool_], out: NDArray[np.bool_], telling: Telling
) -> NDArray[np.float64]:
    settings = JointRegression().music_settings()
    means = np.zeros((len(table), len(DIMENSIONS)))
    if telling in {"offset", "coral"}:
        for domain in ("music", "sound"):
            rows = table.domain == domain
            means[rows] = np.average(
                table.ratings[known & rows], axis=0, weights=table.weight[known & rows]
            )
    expert = KernelExpert(table, table.ratings - means, np.flatnonzero(known), settings)
    scores = expert.scale.scores(table.vectors).astype(np.float64)
    predicted = means[out]
    for dim in range(len(DIMENSIONS)):
        places = scores * np.sqrt(expert.weights[dim] / scores.shape[1])
        if telling == "coral":
            places = _aligned(places, table.domain == "sound", known)
        gaps = cdist(places, places[known], "sqeuclidean")
        if telling == "feature":
            gaps += APART * settings.reach * (table.domain[:, None] != table.domain[known])
        likeness = 1.0 / (1.0 + gaps / settings.reach)
        noisy = likeness[known] + np.diag(settings.noise / table.weight[known])
        rated = table.ratings[known, dim] - means[known, dim]
        duals = cho_solve(cho_factor(noisy), rated - expert.centre[dim])
        predicted[:, dim] += expert.centre[dim] + likeness[out] @ duals
    return predicted


def _aligned(
    places: NDArray[np.float64], moved: NDArray[np.bool_], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Give the moved clips the mean and covariance that the others have, as known ones show them.

    All happens in the directions that the known clips span.
    """
    centre = places[known].mean(axis=0)
    turn = np.linalg.svd(places[known] - centre, full_matrices=False)[2].T
    turned: NDArray[np.float64] = (places - centre) @ turn
    here, there = turned[known & moved], turned[known & ~moved]
    brought = (turned[moved] - here.mean(axis=0)) @ _root(here, -0.5) @ _root(there, 0.5)
    turned[moved] = brought + there.mean(axis=0)
    return turned


def _root(clips: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    covariance = np.cov(clips.T)
    ridge = RIDGE * np.trace(covariance) / len(covariance)
    values, vectors = np.linalg.eigh(covariance + ridge * np.eye(len(covariance)))
    root: NDArray[np.float64] = (vectors * np.maximum(values, ridge) ** power) @ vectors.T
    return root
