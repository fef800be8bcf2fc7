"""How much of each descriptor stays when a sound is played louder or quieter.

A library holds its sounds at arbitrary levels, and a corpus often at one. A descriptor that moves
with the level says little of an unknown sound, so it weighs less; what level itself says of voices
and everyday sounds comes in through `trainer.regression.level_curve`.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.audio.decode import decode_windows
from trainer.features.extract import CANONICAL, describe_windows, usable_windows
from trainer.regression.training_table import steadiness_of
from trainer.trainer_errors import ClipError, TrainingError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

GAINS_DB: Final = (-10.0, -20.0)
CLIPS_OF_A_CORPUS: Final = 25

_UNSTEADY: Final = 0.5
"""Share of the variance between clips below which a descriptor has no weight."""


def level_steadiness(table: TrainingTable, corpora_dir: Path, seed: int) -> NDArray[np.float32]:
    """Return how steady each descriptor of a table is under gains, in [0, 1], float32.

    The intraclass correlation of some clips of each corpus with quieter copies of themselves,
    stretched so that `_UNSTEADY` becomes 0. Its root is returned, since weights are squares of
    steadiness.

    Raises:
        TrainingError: a sound cannot be analysed.
    """
    drawing = np.random.default_rng(seed)
    chosen = np.concatenate(
        [
            drawing.permutation(np.flatnonzero(table.corpus == name))[:CLIPS_OF_A_CORPUS]
            for name in np.unique(table.corpus)
        ]
    )

    def copies(row: int) -> NDArray[np.float32]:
        return _quieter(corpora_dir / str(table.path[row]))

    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            quieter = np.stack(list(pool.map(copies, chosen)), axis=1)
    except ClipError as error:
        raise TrainingError(f"a sound of a corpus cannot be analysed: {error}") from error
    vectors = np.concatenate([table.vectors[chosen], *quieter])
    owner = np.tile(np.arange(len(chosen)), 1 + len(GAINS_DB))
    steady = steadiness_of(vectors, owner, len(chosen))
    stretched = np.clip((steady - _UNSTEADY) / (1 - _UNSTEADY), 0.0, 1.0)
    root: NDArray[np.float32] = np.sqrt(stretched)
    return root


def _quieter(path: Path) -> NDArray[np.float32]:
    """Return the mean vector of a file at each gain, shape (gains, descriptors)."""
    clip = decode_windows(path, CANONICAL)
    windows = usable_windows(clip, path)
    return np.stack(
        [
            describe_windows(
                [(window * 10 ** (gain / 20)).astype(np.float32) for window in windows],
                clip.rate_hz,
                path,
            ).mean(axis=0)
            for gain in GAINS_DB
        ]
    )
