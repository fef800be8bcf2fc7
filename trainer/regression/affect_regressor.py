"""The regression of affect as a scikit-learn estimator: one kernel ridge for all kinds of sound.

It joins a quantile transform, a logistic regression that tells the kinds apart, and a kernel ridge
on a kernel of both. Fitting is here; `kind_kernel_` predicts, without scikit-learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.kernel_ridge import KernelRidge
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from trainer.regression.equal_level import at_usual_level, level_powers
from trainer.regression.heard_descriptors import heard_descriptors
from trainer.regression.kind_classifier import fit_kinds
from trainer.regression.kind_kernel import (
    KINDS,
    KernelShape,
    KindKernel,
    distances,
    mean_nearest,
    probabilities,
)
from trainer.regression.level_curve import level_db
from trainer.regression.quantile_scale import QuantileScale
from trainer.regression.relevance import RatedClips, heaviest, known_level, relevance_of, with_share
from trainer.regression.shared_errors import SharedErrors, SpannedFit, same_norm, same_origin

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

MOST_ROWS: Final = 3500
"""Clips that span the kernel; of more, as many are drawn (Nyström's approximation)."""

HEAVIEST: Final = 1600
"""Descriptors that count for a target; the others together would change little, at four times the
cost."""

FEWEST_FOR_SCALE: Final = 30
"""Fewer clips do not determine the distribution of a descriptor."""

_NOVEL_AT: Final = 0.95
_BLOCK: Final = 500


class AffectRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Kernel ridge regression on rank-transformed descriptors, for sounds of several kinds.

    The fit equals the mean of a Gaussian process whose noise is inverse to the weight of a rating
    (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapters 2 and 4). Each
    descriptor weighs, for each target, its squared steadiness times its squared correlation with
    the ratings: within a corpus, averaged over those of a kind, then over the kinds. Descriptors
    are taken at the same level for all clips.

    Args:
        reach: the mean squared difference of weighted scores at which the kernel is 1/2.
        noise: variance of a rating of weight 1, relative to a prior variance of 1.
        arousal_noise: the same for arousal, the first target.
        shared: share of the variance that different kinds of sound have in common, in [0, 1].
        voice_sound: the same for the arousal of voices and everyday sounds, at most `shared`.
        music_level: variance of music that only level explains; it bounds how far loud and quiet
            copies of a piece are apart.
        voice_level: the same for voices.
        arousal_by_level: factor on the curve of arousal by level, which is not for music.
        valence_by_level: the same for valence.
        heard: variance of what is surely no music that `heard_descriptors` alone explain.
        heard_slope: the same, in proportion to them.
        norm_noise: variance that clips of a corpus with the very same ratings have in common: they
            are the norm of a class, which differs from the true ratings of its clips together.
        origin_noise: variance of what the ratings of a corpus have in common where they are
            proxies: their scale may begin elsewhere.
        harmony: share of harmony and rhythm in the weights of all descriptors, in [0, 1].
        kind_penalty: inverse strength of the classifier's penalty.
        steadiness: of each descriptor, in [0, 1]; None for all 1.
        is_harmony: whether a descriptor is one of harmony and rhythm; None for none.
        seed: of the draws.
    """

    def __init__(  # noqa: PLR0913 - settings of an estimator
        self,
        *,
        reach: float = 1.0,
        noise: float = 0.12,
        arousal_noise: float = 0.2,
        shared: float = 0.7,
        voice_sound: float = 0.0,
        music_level: float = 0.004,
        voice_level: float = 0.3,
        arousal_by_level: float = 0.2,
        valence_by_level: float = 0.1,
        heard: float = 0.2,
        heard_slope: float = 0.6,
        norm_noise: float = 0.1,
        origin_noise: float = 0.5,
        harmony: float = 0.25,
        kind_penalty: float = 1.5,
        steadiness: NDArray[np.float32] | None = None,
        is_harmony: NDArray[np.bool_] | None = None,
        seed: int = 20240229,
    ) -> None:
        self.reach = reach
        self.noise = noise
        self.arousal_noise = arousal_noise
        self.shared = shared
        self.voice_sound = voice_sound
        self.music_level = music_level
        self.voice_level = voice_level
        self.arousal_by_level = arousal_by_level
        self.valence_by_level = valence_by_level
        self.heard = heard
        self.heard_slope = heard_slope
        self.norm_noise = norm_noise
        self.origin_noise = origin_noise
        self.harmony = harmony
        self.kind_penalty = kind_penalty
        self.steadiness = steadiness
        self.is_harmony = is_harmony
        self.seed = seed

    def fit(
        self,
        X: ArrayLike,  # noqa: N803 - scikit-learn's name
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        kind: ArrayLike | None = None,
        corpus: ArrayLike | None = None,
        sets_scale: ArrayLike | None = None,
    ) -> Self:
        """Fit on vectors of shape (clips, descriptors) and ratings of shape (clips[, targets]).

        Args:
            X: vectors, finite.
            y: ratings.
            sample_weight: of the ratings, more than 0; None for 1.
            kind: one of `KINDS` for each clip; None for everyday sounds.
            corpus: name of each clip's corpus; None for one.
            sets_scale: whether the quantile scale is fitted on the clip; None for all.

        Raises:
            ValueError: the arrays do not fit together, or a value is not finite.
        """
        given = validate_data(self, X, y, multi_output=True, y_numeric=True, dtype=np.float32)
        vectors, ratings = (np.asarray(each) for each in given)
        self.one_target_ = ratings.ndim == 1
        ratings = ratings.astype(np.float64).reshape(len(ratings), -1)
        weight = _check_sample_weight(
            sample_weight, vectors, dtype=np.float64, ensure_non_negative=True
        )
        kinds, corpora = (
            np.full(len(vectors), default) if column is None else np.asarray(column)
            for column, default in ((kind, KINDS[-1]), (corpus, ""))
        )
        used = weight > 0
        anchors = used if sets_scale is None else used & np.asarray(sets_scale, dtype=bool)
        anchors = anchors if anchors.sum() >= FEWEST_FOR_SCALE else used
        clips = RatedClips(vectors, ratings, weight, kinds, corpora)
        rows = self._spanning(np.flatnonzero(used))
        spanning = clips.at(rows)
        self.kind_kernel_ = self._kernel(spanning, rows, vectors[anchors])
        # A copy of 20,000 vectors would take half a gigabyte.
        clips = clips if used.all() else clips.at(used)
        self.kind_kernel_.duals = self._duals(spanning, clips)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803 - scikit-learn's name
        """Return ratings of shape (clips[, targets]) for vectors of shape (clips, descriptors)."""
        check_is_fitted(self)
        vectors = validate_data(self, X, reset=False, dtype=np.float32)
        affect = self.kind_kernel_.predict(vectors).affect
        return affect[:, 0] if self.one_target_ else affect

    def _spanning(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        if len(rows) <= MOST_ROWS:
            return rows
        return np.sort(np.random.default_rng(self.seed).permutation(rows)[:MOST_ROWS])

    def _kernel(
        self, spanning: RatedClips, rows: NDArray[np.intp], anchors: NDArray[np.float32]
    ) -> KindKernel:
        """Fit everything but the dual coefficients.

        Args:
            spanning: the clips that span the kernel.
            rows: of the table, in which they are.
            anchors: vectors that the quantile scale is fitted on.
        """
        vectors = spanning.vectors
        powers = level_powers(vectors.shape[1])
        scale = QuantileScale(at_usual_level(anchors, powers, level_db(anchors)))
        scores = scale.scores(at_usual_level(vectors, powers, level_db(vectors)))
        relevance = relevance_of(scores, spanning)
        heavy, weights = heaviest(self._normalised(relevance), HEAVIEST)
        heard = heard_descriptors(vectors.shape[1])
        used = np.union1d(heavy, heard)
        columns, scores = np.searchsorted(used, heavy), scores[:, used]
        kind_weights, kind_offsets = fit_kinds(scores, spanning.kind, self.kind_penalty, self.seed)
        known = tuple(scores[:, chosen] for chosen in columns)
        apart = [distances(each, each, own) for each, own in zip(known, weights, strict=True)]
        nearest = mean_nearest(np.mean(apart, axis=0), skipped=1)
        return KindKernel(
            shape=KernelShape(
                reach=self.reach,
                shared=self.shared,
                voice_sound=(min(self.voice_sound, self.shared), self.shared),
                heard=self.heard,
                heard_slope=self.heard_slope,
                by_level=(self.music_level, self.voice_level, 0.0),
                level_effect=(self.arousal_by_level, self.valence_by_level),
            ),
            powers=powers,
            scale=scale,
            rows=rows,
            used=used,
            columns=columns,
            weights=weights,
            heard=np.searchsorted(used, heard),
            kind_weights=kind_weights,
            kind_offsets=kind_offsets,
            kinds=probabilities(scores, kind_weights, kind_offsets),
            level=known_level(vectors, spanning.corpus),
            centre=np.zeros(spanning.ratings.shape[1]),
            duals=np.zeros(spanning.ratings.shape),
            farthest=float(np.quantile(nearest, _NOVEL_AT)) or 1.0,
            known=known,
            known_heard=scores[:, np.searchsorted(used, heard)],
        )

    def _normalised(self, relevance: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.steadiness is not None:
            relevance = relevance * np.square(self.steadiness.astype(np.float64))
        return (
            relevance
            if self.is_harmony is None
            else with_share(relevance, self.is_harmony, self.harmony)
        )

    def _duals(self, spanning: RatedClips, clips: RatedClips) -> NDArray[np.float64]:
        """Return the dual coefficients of the clips that span the kernel, and set the centre."""
        fitted = self.kind_kernel_
        residual = spanning.ratings - fitted.shift(fitted.kinds, fitted.level)
        fitted.centre = np.average(residual, axis=0, weights=spanning.weight)
        errors = SharedErrors(
            same_norm(clips.ratings, clips.corpus),
            same_origin(clips.weight, clips.corpus),
            self.norm_noise,
            self.origin_noise,
        )
        beside = fitted.beside(fitted.known_heard, fitted.kinds, fitted.level)
        kernels = (
            fitted.covariance(known, target, fitted.kinds, beside)[0].astype(np.float64)
            for target, known in enumerate(fitted.known)
        )
        if len(clips.weight) > len(spanning.weight):
            return self._spanned(kernels, clips, errors)
        shared = errors.covariance()
        duals = np.empty(residual.shape)
        for target, kernel in enumerate(kernels):
            ridge = KernelRidge(kernel="precomputed", alpha=self._noise_of(target))
            centred = residual[:, target] - fitted.centre[target]
            ridge.fit(kernel + shared, centred, sample_weight=clips.weight)
            duals[:, target] = ridge.dual_coef_
        return duals

    def _noise_of(self, target: int) -> float:
        return self.noise if target else self.arousal_noise

    def _spanned(
        self, kernels: Iterable[NDArray[np.float64]], clips: RatedClips, errors: SharedErrors
    ) -> NDArray[np.float64]:
        """Return the duals of the clips that span the kernel, fitted to all clips."""
        fitted = self.kind_kernel_
        level = known_level(clips.vectors, clips.corpus)
        fits = [
            SpannedFit(kernel, self._noise_of(target), errors)
            for target, kernel in enumerate(kernels)
        ]
        for start in range(0, len(level), _BLOCK):
            block = slice(start, start + _BLOCK)
            scores = fitted.used_scores(clips.vectors[block])
            kinds = fitted.kinds_of(scores)
            residual = clips.ratings[block] - fitted.shift(kinds, level[block]) - fitted.centre
            beside = fitted.beside(scores[:, fitted.heard], kinds, level[block])
            for target, (fit, columns) in enumerate(zip(fits, fitted.columns, strict=True)):
                kernel = fitted.covariance(scores[:, columns], target, kinds, beside)[0]
                fit.add(block, kernel.astype(np.float64), residual[:, target], clips.weight[block])
        return np.stack([fit.duals() for fit in fits], axis=1)
