"""A mixture of two experts: kernel regressions for music and for sounds, and their gates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainer.regression.kernel_expert import ExpertSettings, KernelExpert

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable


@dataclass(frozen=True, slots=True)
class MixturePrediction:
    """The mixed prediction of both experts.

    Affect has shape (clips, 2) and is not yet clipped; `music_share`, the weight of the music
    expert in [0, 1], and novelty have shape (clips,).
    """

    affect: NDArray[np.float64]
    music_share: NDArray[np.float64]
    novelty: NDArray[np.float64]


class Gate:
    """The probability that a clip belongs to the first of two classes.

    A ridge discriminant on normal scores with balanced classes, under a logistic curve.

    Args:
        scores: of the fitted clips, shape (clips, descriptors).
        products: inner products of the scores, shape (clips, clips), over the number of
            descriptors.
        first: which clips belong to the first class, shape (clips,).
        ridge: shrinkage.
        slope: of the logistic curve.
    """

    def __init__(
        self,
        scores: NDArray[np.float32],
        products: NDArray[np.float64],
        first: NDArray[np.bool_],
        *,
        ridge: float,
        slope: float,
    ) -> None:
        from scipy.linalg import cho_factor, cho_solve  # noqa: PLC0415 - workers do not fit

        self.slope = slope
        noise = ridge * 2 * np.where(first, first.mean(), (~first).mean())
        kernel = products.copy()
        kernel[np.diag_indices_from(kernel)] += noise
        factor = cho_factor(kernel)
        plain = cho_solve(factor, np.where(first, 1.0, -1.0))
        ones = cho_solve(factor, np.ones(len(first)))
        self.offset = float(plain.sum() / ones.sum())
        self.direction: NDArray[np.float64] = (
            (plain - self.offset * ones) @ scores / scores.shape[1]
        )

    def share(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of the first class, shape (clips,), in [0, 1]."""
        margin = scores @ self.direction.astype(np.float32) + np.float64(self.offset)
        share: NDArray[np.float64] = (1 + np.tanh(self.slope * margin / 2)) / 2
        return share


class ExpertMixture:
    """An expert for music and one for everyday sounds, weighted by a gate.

    A mixture of experts (Jacobs et al., Neural Computation 3, 1991). The gate `kind` is learned
    from the expert that each fitted clip follows. The experts predict the difference from the mean
    rating of the clip's domain; the gate `domain`, learned from the domains, chooses that mean. The
    two differ: a composed soundscape follows the rules of music but is as unpleasant as other
    sounds. `gate_ridge` and `gate_slope` are the settings of both gates.
    """

    def __init__(
        self,
        table: TrainingTable,
        *,
        music: ExpertSettings,
        sound: ExpertSettings,
        gate_ridge: float,
        gate_slope: float,
    ) -> None:
        follows_music, is_music = table.follows == "music", table.domain == "music"
        self.means = np.array(
            [
                np.average(table.ratings[rows], axis=0, weights=table.weight[rows])
                for rows in (is_music, ~is_music)
            ]
        )
        residuals = table.ratings - np.where(is_music[:, None], self.means[0], self.means[1])
        self.music = KernelExpert(table, residuals, np.flatnonzero(follows_music), music)
        self.sound = KernelExpert(table, residuals, np.flatnonzero(~follows_music), sound)
        scores = self.music.scale.scores(table.vectors)
        products = (scores @ scores.T).astype(np.float64) / scores.shape[1]
        self.kind, self.domain = (
            Gate(scores, products, first, ridge=gate_ridge, slope=gate_slope)
            for first in (follows_music, is_music)
        )

    def predict(
        self, vectors: NDArray[np.float32], scores: NDArray[np.float32] | None = None
    ) -> MixturePrediction:
        """Predict from vectors of shape (clips, descriptors), float32, finite.

        `scores` are their normal scores on the music expert's scale, if already computed.
        """
        if scores is None:
            scores = self.music.scale.scores(vectors)
        share, is_music = self.kind.share(scores), self.domain.share(scores)[:, None]
        as_music, music_novelty = self.music.predict(scores)
        as_sound, sound_novelty = self.sound.predict(self.sound.scale.scores(vectors))
        residual = share[:, None] * as_music + (1 - share[:, None]) * as_sound
        return MixturePrediction(
            affect=is_music * self.means[0] + (1 - is_music) * self.means[1] + residual,
            music_share=share,
            novelty=share * music_novelty + (1 - share) * sound_novelty,
        )

    def attach(self, table: TrainingTable) -> None:
        """Restore what is not pickled from the table that was fitted on."""
        self.music.attach(table)
        self.sound.attach(table)
