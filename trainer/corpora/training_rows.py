"""Building a training table from rated clips and their feature vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from trainer.features.harmony.describe import HARMONY
from trainer.features.opensmile import FEATURES
from trainer.features.vector_codec import rounded
from trainer.regression.training_table import TrainingTable, steadiness_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trainer.corpora.rated_clip import RatedClip


def table_of(clips: Sequence[RatedClip], features: Sequence[NDArray[np.float32]]) -> TrainingTable:
    """Return the training table of some clips.

    `features` are, for each clip, its mean vector, then its windows, shape (1 + windows,
    descriptors).
    """
    owner = np.repeat(np.arange(len(clips)), [len(each) - 1 for each in features])
    windows = np.concatenate([each[1:] for each in features])
    place = np.arange(windows.shape[1])

    def texts(name: str) -> NDArray[np.str_]:
        return np.array([getattr(clip, name) for clip in clips], dtype=np.str_)

    return TrainingTable(
        vectors=rounded(np.stack([each[0] for each in features])),
        ratings=np.array([(clip.arousal, clip.valence) for clip in clips]),
        weight=np.array([clip.weight for clip in clips]),
        path=texts("path"),
        corpus=texts("corpus"),
        domain=texts("domain"),
        group=texts("group"),
        sets_scale=np.ones(len(clips), np.bool_),
        steadiness=steadiness_of(windows, owner, len(clips)),
        is_harmony=(place >= FEATURES) & (place < FEATURES + HARMONY),
    )
