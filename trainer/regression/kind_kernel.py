"""A fitted kernel regression over all kinds of sound at once: predicts with NumPy alone.

One kernel ties every clip to every other (the intrinsic model of coregionalisation; Bonilla, Chai
and Williams, Multi-task Gaussian process prediction, 2008):

    k(x, x') = p(x)·B p(x') r(x, x') + sum_i l_i q_i(x) q_i(x') g(level, level')
               + n(x) n(x') (h r'(x, x') + b z·z' / m)

p are the probabilities of music, voice and everyday sound. B says what kinds have in common: 1 on
its diagonal and `shared` beside it, but less for the arousal of voices and everyday sounds. r is
rational quadratic in the mean weighted squared difference of normal scores, g a Gaussian of the
difference in level, and q is 2p - 1 where that is positive: level counts for what is surely of a
kind. n is the same of the probability that a clip is not music, z are the scores of the m
descriptors of `heard_descriptors`, and r' is as r, of these, equally weighted. Descriptors do not
know the level (`equal_level`); for voices and everyday sounds that of `level_curve` is added.
`trainer.regression.affect_regressor` fits it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from trainer.regression.equal_level import at_usual_level
from trainer.regression.level_curve import level_db, level_shift

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.regression.quantile_scale import QuantileScale

KINDS: Final = ("music", "voice", "sound")
"""The kinds of sound, in the order of every array of probabilities."""

DIMENSIONS: Final = ("arousal", "valence")

NEIGHBOURS: Final = 5
"""Novelty is the mean distance to so many nearest clips."""

_FEW: Final = 64
_BLOCK: Final = 200
"""Clips whose scores are restored together."""

_NEGLIGIBLE: Final = 0.02
"""A kind that is less probable costs its part of the kernel and changes little."""

_LEVEL_WIDTH_DB: Final = 8.0
_NOT_MUSIC: Final = np.array([0.0, 1.0, 1.0])


class KernelPrediction(NamedTuple):
    """Affect, not clipped, (clips, targets), probabilities of `KINDS`, (clips, 3), and novelty."""

    affect: NDArray[np.float64]
    kinds: NDArray[np.float64]
    novelty: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelShape:
    """What sets the kernel; the names are those of `AffectRegressor`.

    `by_level` are the variances that only level explains, of each of `KINDS`, and `voice_sound` is
    what voices and everyday sounds have in common for each of `DIMENSIONS`.
    """

    reach: float
    shared: float
    voice_sound: tuple[float, float]
    heard: float
    heard_slope: float
    by_level: tuple[float, float, float]
    level_effect: tuple[float, float]

    def in_common(self, target: int) -> NDArray[np.float32]:
        """Return which share of the variance of a target two kinds have in common, shape (3, 3)."""
        common = np.full((len(KINDS), len(KINDS)), self.shared, np.float32)
        if target < len(self.voice_sound):
            # With less, this were no covariance of three kinds.
            common[1:, 1:] = max(self.voice_sound[target], 2.0 * self.shared**2 - 1.0)
        np.fill_diagonal(common, 1.0)
        return common


@dataclass(slots=True, kw_only=True)
class KindKernel:
    """The fitted state.

    Attributes:
        shape: of the kernel.
        powers: of the level, by which each descriptor grows, shape (descriptors,), float32.
        scale: turns descriptors at the usual level into normal scores.
        rows: of the table, whose clips the kernel is spanned by, shape (clips,).
        used: the descriptors that predictions depend on, shape (used,).
        columns: those of `used` that count for each target, shape (targets, chosen).
        weights: of these, float32, with a mean of 1.
        heard: those of `used` that are in `heard_descriptors`, shape (heard,).
        kind_weights: of the classifier of kinds, shape (used, 3), float32; offsets, shape (3,).
        kinds: probabilities of the clips, shape (clips, 3).
        level: of the clips, in dB, shape (clips,).
        centre: the mean rating, shape (targets,).
        duals: dual coefficients, shape (clips, targets).
        farthest: the 95th percentile of the clips' distances to their neighbours.
        known: scores of the clips, for each target those that count, (clips, chosen), float32.
        known_heard: scores of the clips in what is heard, (clips, heard), float32.
        squares: weighted squared lengths of `known`, each (clips,), float32; derived.
        part: the scale of the descriptors that are used; derived.
    """

    shape: KernelShape
    powers: NDArray[np.float32]
    scale: QuantileScale
    rows: NDArray[np.intp]
    used: NDArray[np.intp]
    columns: NDArray[np.intp]
    weights: NDArray[np.float32]
    heard: NDArray[np.intp]
    kind_weights: NDArray[np.float32]
    kind_offsets: NDArray[np.float64]
    kinds: NDArray[np.float64]
    level: NDArray[np.float64]
    centre: NDArray[np.float64]
    duals: NDArray[np.float64]
    farthest: float
    known: tuple[NDArray[np.float32], ...] = field(repr=False)
    known_heard: NDArray[np.float32] = field(repr=False)
    squares: tuple[NDArray[np.float32], ...] = field(default=(), repr=False)
    part: QuantileScale | None = field(default=None, repr=False)

    def detached(self) -> KindKernel:
        """Return this without what `attach` restores."""
        nothing = np.empty((0, 0), np.float32)
        return replace(self, known=(), known_heard=nothing, squares=(), part=None)

    def attach(self, vectors: NDArray[np.float32]) -> None:
        """Restore the rest from the vectors of the table, shape (table's clips, descriptors)."""
        known = [np.empty((len(self.rows), size), np.float32) for size in map(len, self.columns)]
        heard = np.empty((len(self.rows), len(self.heard)), np.float32)
        for start in range(0, len(self.rows), _BLOCK):
            # In blocks, since a worker that loads a bundle has little memory.
            block = slice(start, start + _BLOCK)
            scores = self.used_scores(vectors[self.rows[block]])
            for each, columns in zip(known, self.columns, strict=True):
                each[block] = scores[:, columns]
            heard[block] = scores[:, self.heard]
        self.known, self.known_heard, self.squares = tuple(known), heard, ()

    def scores_of(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the normal scores of vectors at the usual level, shape (clips, descriptors)."""
        return self.scale.scores(at_usual_level(vectors, self.powers, level_db(vectors)))

    def used_scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the normal scores of the descriptors that are used, shape (clips, used)."""
        if self.part is None:
            self.part = self.scale.part(self.used)
        equal = at_usual_level(vectors[:, self.used], self.powers[self.used], level_db(vectors))
        return self.part.scores(equal)

    def predict(
        self,
        vectors: NDArray[np.float32],
        scores: NDArray[np.float32] | None = None,
        level: NDArray[np.float64] | None = None,
    ) -> KernelPrediction:
        """Predict from vectors of shape (clips, descriptors), float32, finite.

        `scores` are the normal scores of all descriptors, if already computed, and `level` what is
        known of the level of each clip in dB, if that differs from its own.
        """
        scores = self.used_scores(vectors) if scores is None else scores[:, self.used]
        kinds, level = self.kinds_of(scores), level_db(vectors) if level is None else level
        affect = self.shift(kinds, level) + self.centre
        beside = self.beside(scores[:, self.heard], kinds, level)
        nearness = np.zeros(beside.shape, dtype=np.float32)
        for target, columns in enumerate(self.columns):
            kernel, distance = self.covariance(scores[:, columns], target, kinds, beside)
            nearness += distance / np.float32(len(self.centre))
            affect[:, target] += kernel.astype(np.float64) @ self.duals[:, target]
        novelty = mean_nearest(nearness) / self.farthest
        return KernelPrediction(affect, kinds, novelty.astype(np.float64))

    def kinds_of(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities of `KINDS`, shape (clips, 3), by the scores that are used."""
        return probabilities(scores, self.kind_weights, self.kind_offsets)

    def shift(self, kinds: NDArray[np.float64], level: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what level alone says of clips that are not music, shape (clips, targets)."""
        shifted = np.zeros((len(kinds), len(self.centre)))
        other = surely(kinds @ _NOT_MUSIC)[:, None]
        by_level = other * level_shift(level) * self.shape.level_effect
        shifted[:, : len(DIMENSIONS)] = by_level[:, : len(self.centre)]
        return shifted

    def covariance(
        self,
        scores: NDArray[np.float32],
        target: int,
        kinds: NDArray[np.float64],
        beside: NDArray[np.float32],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return kernel and distance to the fitted clips, each (clips, fitted clips).

        `scores` are those of the columns that count for the target, shape (clips, chosen), and
        `beside` is what all targets have in common.
        """
        single = np.float32
        if not self.squares:
            self.squares = tuple(map(weighted_squares, self.known, self.weights))
        distance = distances(scores, self.known[target], self.weights[target], self.squares[target])
        kernel = distance / single(self.shape.reach)
        kernel += single(1.0)
        alike = kinds.astype(single) @ self.shape.in_common(target) @ self.kinds.astype(single).T
        np.divide(alike, kernel, out=kernel)
        kernel += beside
        return kernel, distance

    def beside(
        self, heard: NDArray[np.float32], kinds: NDArray[np.float64], level: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return the part of the kernel that level and what is heard add, for any target.

        `heard` are scores of shape (clips, heard).
        """
        shape, single = self.shape, np.float32
        by_level = ((surely(kinds) * shape.by_level) @ surely(self.kinds).T).astype(single)
        steps = ((level[:, None] - self.level) / _LEVEL_WIDTH_DB).astype(single)
        by_level *= np.exp(single(-0.5) * np.square(steps))
        if len(self.heard):
            other, others = (surely(each @ _NOT_MUSIC) for each in (kinds, self.kinds))
            both = np.outer(other, others).astype(single)
            by_level += both * self._alike_to_the_ear(heard)
        return by_level

    def _alike_to_the_ear(self, heard: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what descriptors of hearing explain, with a bounded part and a linear one."""
        shape, single, size = self.shape, np.float32, len(self.heard)
        distance = distances(heard, self.known_heard, np.ones(size, single))
        bounded = single(shape.heard) / (distance / single(shape.reach) + single(1.0))
        linear: NDArray[np.float32] = heard @ self.known_heard.T
        linear *= single(shape.heard_slope / size)
        linear += bounded
        return linear


def surely(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far what is likely is sure: 0 up to even odds, then up to 1."""
    return np.maximum(0.0, 2.0 * probability - 1.0)


def probabilities(
    scores: NDArray[np.float32], weights: NDArray[np.float32], offsets: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the softmax of linear margins, shape (clips, classes); what is near 0 is 0."""
    margins = (scores @ weights).astype(np.float64) + offsets
    odds = np.exp(margins - margins.max(axis=1, keepdims=True))
    shares = odds / odds.sum(axis=1, keepdims=True)
    shares[shares < _NEGLIGIBLE] = 0.0
    whole: NDArray[np.float64] = shares / shares.sum(axis=1, keepdims=True)
    return whole


def distances(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    weight: NDArray[np.floating],
    squares: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return mean weighted squared differences, shape (clips of first, clips of second).

    `squares` are the weighted squared lengths of the second, if already computed.
    """
    if first.shape[1] < _FEW:
        weight = weight.astype(np.float64)  # costs nothing, and each clip is then as in any batch
    distance = (first * weight) @ second.T
    distance *= np.float32(-2.0)
    distance += weighted_squares(first, weight)[:, None]
    distance += weighted_squares(second, weight) if squares is None else squares
    np.maximum(distance, 0.0, out=distance)
    distance /= np.float32(first.shape[1])
    return distance.astype(np.float32, copy=False)


def weighted_squares(
    scores: NDArray[np.float32], weight: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return weighted squared lengths of scores, shape (clips,)."""
    squares: NDArray[np.floating] = np.square(scores) @ weight
    return squares


def mean_nearest(distance: NDArray[np.float32], *, skipped: int = 0) -> NDArray[np.float32]:
    """Return the mean distance to the nearest clips, shape (clips,), without the first ones."""
    last = min(NEIGHBOURS + skipped, distance.shape[1]) - 1
    nearest = np.sort(np.partition(distance, last, axis=1)[:, : last + 1], axis=1)[:, skipped:]
    if not nearest.shape[1]:
        return np.zeros(len(distance), dtype=np.float32)
    mean: NDArray[np.float32] = np.sqrt(nearest).mean(axis=1)
    return mean
