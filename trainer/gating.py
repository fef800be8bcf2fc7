"""Two experts and the gate between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from trainer.experts import Expert, ExpertSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.table import TrainingTable


@dataclass(frozen=True, slots=True)
class Blend:
    """What two experts say together; each array has one row a clip.

    Attributes:
        affect: shape (clips, 2), not yet cut to [-1, 1].
        music_share: shape (clips,), how much of the music expert is in it, in [0, 1].
        novelty: shape (clips,), of both experts, mixed likewise.
    """

    affect: NDArray[np.float64]
    music_share: NDArray[np.float64]
    novelty: NDArray[np.float64]


class GatedExperts:
    """An expert for music, one for everyday sounds, and a soft choice between them.

    The gate is a ridge discriminant on the music expert's normal scores, with both sides weighing
    the same, and a logistic curve over it: the smooth mixture of experts of Jacobs et al. (Neural
    Computation 3, 1991), with the choice learned from which expert each fitted clip follows.

    Args:
        table: what to fit on; both experts need clips in it.
        music: settings of the music expert.
        sound: settings of the sound expert.
        gate_ridge: shrinkage of the gate.
        gate_slope: how sharply it decides.
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
        follows_music = table.follows == "music"
        self.music = Expert(table, np.flatnonzero(follows_music), music)
        self.sound = Expert(table, np.flatnonzero(~follows_music), sound)
        self.gate_slope = gate_slope
        self._fit_gate(self.music.scale.scores(table.vectors), follows_music, gate_ridge)

    def predict(self, vectors: NDArray[np.float32]) -> Blend:
        """Predict from vectors of shape (clips, descriptors), float32, finite."""
        scores = self.music.scale.scores(vectors)
        side = scores.astype(np.float64) @ self.gate + self.gate_offset
        share = expit(self.gate_slope * side)
        as_music, far_from_music = self.music.predict(scores)
        as_sound, far_from_sound = self.sound.predict(self.sound.scale.scores(vectors))
        return Blend(
            affect=share[:, None] * as_music + (1 - share[:, None]) * as_sound,
            music_share=share,
            novelty=share * far_from_music + (1 - share) * far_from_sound,
        )

    def attach(self, table: TrainingTable) -> None:
        """Take the fitted clips from their table again, after unpickling."""
        self.music.attach(table)
        self.sound.attach(table)

    def _fit_gate(
        self, scores: NDArray[np.float32], follows_music: NDArray[np.bool_], ridge: float
    ) -> None:
        target = np.where(follows_music, 1.0, -1.0)
        noise = ridge * 2 * np.where(follows_music, follows_music.mean(), (~follows_music).mean())
        kernel = (scores @ scores.T).astype(np.float64) / scores.shape[1]
        kernel[np.diag_indices_from(kernel)] += noise
        factor = cho_factor(kernel)
        plain, ones = cho_solve(factor, target), cho_solve(factor, np.ones(len(target)))
        self.gate_offset = float(plain.sum() / ones.sum())
        duals = plain - self.gate_offset * ones
        self.gate: NDArray[np.float64] = duals @ scores / scores.shape[1]
