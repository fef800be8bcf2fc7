"""Extracting features from the starter's corpora, each file at most once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from trainer.features.extract import extract_features
from trainer.features.feature_cache import FeatureCache
from trainer.trainer_errors import ClipError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.corpora.rated_clip import RatedClip
    from trainer.features.extract import FeatureSettings


def extract_corpora(
    corpora_dir: Path,
    clips: Sequence[RatedClip],
    settings: FeatureSettings,
    cache_dir: Path,
    progress: Callable[[int, int], None],
) -> list[NDArray[np.float32]]:
    """Extract the features of every clip, or read them from the cache.

    The cache stores vectors by settings, file size and modification time; an interrupted run
    continues from there. `progress` is called with the number of finished clips and of all.

    Returns:
        For each clip its mean vector, then its windows, shape (1 + windows, descriptors).

    Raises:
        TrainingError: features cannot be extracted from a clip, or the cache cannot be written.
    """
    cache = FeatureCache(cache_dir, settings.key)

    def one(clip: RatedClip) -> NDArray[np.float32]:
        return _cached(corpora_dir / clip.path, clip.path, settings, cache)

    features = []
    try:
        # Threads are enough: openSMILE and the decoder release the interpreter lock.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for done, rows in enumerate(pool.map(one, clips), start=1):
                features.append(rows)
                progress(done, len(clips))
    except ClipError as error:
        raise TrainingError(f"a sound of a corpus cannot be analysed: {error}") from error
    except OSError as error:
        raise TrainingError(f"{error.filename}: {error.strerror}") from error
    return features


def _cached(
    path: Path, relative: str, settings: FeatureSettings, cache: FeatureCache
) -> NDArray[np.float32]:
    status = path.stat()
    key = f"{relative}\n{status.st_size}\n{status.st_mtime_ns}"
    stored = cache.get(key)
    if stored is not None:
        return stored
    features = extract_features(path, settings)
    rows = np.concatenate([features.vector[None], features.windows])
    cache.put(key, rows)
    return rows
