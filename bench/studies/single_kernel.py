"""A single kernel regression over both domains, with several ways to use a clip's domain.

A baseline for the two experts and their gate. All variants except ``nothing`` are given the domain
of held-out clips, which the gate must estimate.
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

DomainUse = Literal["nothing", "feature", "offset", "coral"]

APART = 1.0
"""Additional distance between clips of different domains where the domain is a feature, in units of
the kernel's reach."""

RIDGE = 0.1
"""Ridge of the aligned covariances, as a share of their mean variance: with fewer clips than
directions they have no inverse."""


def by_one_kernel(table: TrainingTable, seed: int, *, domain_use: DomainUse) -> NDArray[np.float64]:
    """Predict by one expert fitted on all clips, with the settings of the music expert.

    Args:
        table: all clips.
        seed: of the folds, which are those of `cross_validate`.
        domain_use: how the domain is used. ``feature``: the kernel is smaller between domains.
            ``offset``: each domain's mean is subtracted and added again. ``coral``: in addition,
            the descriptors of sounds get the covariance of those of music (Sun, Feng and Saenko,
            AAAI 2016).

    Returns:
        Shape (clips, 2).
    """
    folds = grouped_folds(table.corpus, table.group, OUTER_FOLDS, seed)
    predicted = np.empty(table.ratings.shape)
    for fold in range(OUTER_FOLDS):
        out = folds == fold
        predicted[out] = _fold(table, ~out, out, domain_use)
    return np.clip(predicted, -1.0, 1.0)


def _fold(
    table: TrainingTable, known: NDArray[np.bool_], out: NDArray[np.bool_], domain_use: DomainUse
) -> NDArray[np.float64]:
    settings = JointRegression().music_settings()
    means = np.zeros((len(table), len(DIMENSIONS)))
    if domain_use in {"offset", "coral"}:
        for domain in ("music", "sound"):
            rows = table.domain == domain
            means[rows] = np.average(
                table.ratings[known & rows], axis=0, weights=table.weight[known & rows]
            )
    expert = KernelExpert(table, table.ratings - means, np.flatnonzero(known), settings)
    scores = expert.scale.scores(table.vectors).astype(np.float64)
    predicted = means[out]
    for dim in range(len(DIMENSIONS)):
        positions = scores * np.sqrt(expert.weights[dim] / scores.shape[1])
        if domain_use == "coral":
            positions = _aligned(positions, table.domain == "sound", known)
        gaps = cdist(positions, positions[known], "sqeuclidean")
        if domain_use == "feature":
            gaps += APART * settings.reach * (table.domain[:, None] != table.domain[known])
        similarity = 1.0 / (1.0 + gaps / settings.reach)
        noisy = similarity[known] + np.diag(settings.noise / table.weight[known])
        rated = table.ratings[known, dim] - means[known, dim]
        duals = cho_solve(cho_factor(noisy), rated - expert.centre[dim])
        predicted[:, dim] += expert.centre[dim] + similarity[out] @ duals
    return predicted


def _aligned(
    positions: NDArray[np.float64], moved: NDArray[np.bool_], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Give the moved clips the mean and covariance of the others, estimated on the known clips.

    Only in the directions that the known clips span.
    """
    centre = positions[known].mean(axis=0)
    turn = np.linalg.svd(positions[known] - centre, full_matrices=False)[2].T
    turned: NDArray[np.float64] = (positions - centre) @ turn
    here, there = turned[known & moved], turned[known & ~moved]
    aligned = (turned[moved] - here.mean(axis=0)) @ _root(here, -0.5) @ _root(there, 0.5)
    turned[moved] = aligned + there.mean(axis=0)
    return turned


def _root(clips: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    covariance = np.cov(clips.T)
    ridge = RIDGE * np.trace(covariance) / len(covariance)
    values, vectors = np.linalg.eigh(covariance + ridge * np.eye(len(covariance)))
    root: NDArray[np.float64] = (vectors * np.maximum(values, ridge) ** power) @ vectors.T
    return root
