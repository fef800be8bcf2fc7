"""Two experts and the gate between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from trainer.regression.kernel_expert import ExpertSettings, KernelExpert

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable


@dataclass(frozen=True, slots=True)
class MixturePrediction:
    """What two experts say together; each array has one row a clip.

    Attributes:
        affect: shape (clips, 2), not yet cut to [-1, 1].
        music_share: shape (clips,), how much of the music expert is in it, in [0, 1].
        novelty: shape (clips,), of both experts, mixed likewise.
    """

    affect: NDArray[np.float64]
    music_share: NDArray[np.float64]
    novelty: NDArray[np.float64]


class Gate:
    """Says how likely a clip is on the first of two sides.

    A ridge discriminant on normal scores, both sides weighing the same, under a logistic curve.

    Args:
        scores: of the fitted clips, shape (clips, descriptors).
        products: of each two of them, shape (clips, clips), divided by the number of descriptors.
        first: which of them are on the first side, shape (clips,).
        ridge: shrinkage.
        slope: how sharply it decides.
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
        """Return the share of the first side, shape (clips,), in [0, 1]."""
        side = scores @ self.direction.astype(np.float32) + np.float64(self.offset)
        share: NDArray[np.float64] = expit(self.slope * side)
        return share


class ExpertMixture:
    """An expert for music, one for everyday sounds, and a soft choice between them.

    A smooth mixture of experts (Jacobs et al., Neural Computation 3, 1991), where the choice is
    learned from which expert each fitted clip follows. The experts learn how a clip differs from
    the mean rating of its domain; a second gate, learned from the domains themselves, says which
    mean that is. The two are not the same: a composed soundscape follows the rules of music, and is
    yet as little pleasant as other sounds.

    Args:
        table: what to fit on; both experts need clips in it.
        music: settings of the music expert.
        sound: settings of the sound expert.
        gate_ridge: shrinkage of the gates.
        gate_slope: how sharply they decide.
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
        departures = table.ratings - np.where(is_music[:, None], self.means[0], self.means[1])
        self.music = KernelExpert(table, departures, np.flatnonzero(follows_music), music)
        self.sound = KernelExpert(table, departures, np.flatnonzero(~follows_music), sound)
        scores = self.music.scale.scores(table.vectors)
        products = (scores @ scores.T).astype(np.float64) / scores.shape[1]
        self.kind, self.domain = (
            Gate(scores, products, first, ridge=gate_ridge, slope=gate_slope)
            for first in (follows_music, is_music)
        )

    def predict(
        self, vectors: NDArray[np.float32], scores: NDArray[np.float32] | None = None
    ) -> MixturePrediction:
        """Predict from vectors.

        Args:
            vectors: shape (clips, descriptors), float32, finite.
            scores: their normal scores on the music expert's scale, where they are known already.
        """
        if scores is None:
            scores = self.music.scale.scores(vectors)
        share, musical = self.kind.share(scores), self.domain.share(scores)[:, None]
        as_music, far_from_music = self.music.predict(scores)
        as_sound, far_from_sound = self.sound.predict(self.sound.scale.scores(vectors))
        departure = share[:, None] * as_music + (1 - share[:, None]) * as_sound
        return MixturePrediction(
            affect=musical * self.means[0] + (1 - musical) * self.means[1] + departure,
            music_share=share,
            novelty=share * far_from_music + (1 - share) * far_from_sound,
        )

    def attach(self, table: TrainingTable) -> None:
        """Take the fitted clips from their table again, after unpickling."""
        self.music.attach(table)
        self.sound.attach(table)
