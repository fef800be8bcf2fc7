"""From the corpora's sound to the starter's table, hearing each file at most once."""

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


def heard_windows(
    corpora_dir: Path,
    clips: Sequence[RatedClip],
    hearing: FeatureSettings,
    cache_dir: Path,
    progress: Callable[[int, int], None],
) -> list[NDArray[np.float32]]:
    """Hear every clip, or recall how it was heard before.

    Args:
        corpora_dir: the folder that the clips' paths are relative to.
        clips: what to hear.
        hearing: how.
        cache_dir: where each clip's windows are kept under the hearing's key and the file's size
            and time of change; an interrupted run goes on where it stopped.
        progress: called with clips done and clips in all.

    Returns:
        For each clip its mean vector and below it its windows, shape (1 + windows, descriptors).

    Raises:
        TrainingError: a clip of a corpus cannot be heard, or the cache cannot be written.
    """
    store = FeatureCache(cache_dir, hearing.key)

    def one(clip: RatedClip) -> NDArray[np.float32]:
        return _recalled_or_heard(corpora_dir / clip.path, clip.path, hearing, store)

    heard = []
    try:
        # Threads are enough: openSMILE and the decoder let go of the interpreter while they work.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for done, windows in enumerate(pool.map(one, clips), start=1):
                heard.append(windows)
                progress(done, len(clips))
    except ClipError as error:
        raise TrainingError(f"a corpus holds sound that cannot be heard: {error}") from error
    except OSError as error:
        raise TrainingError(f"{error.filename}: {error.strerror}") from error
    return heard


def _recalled_or_heard(
    path: Path, relative: str, hearing: FeatureSettings, store: FeatureCache
) -> NDArray[np.float32]:
    status = path.stat()
    stamp = f"{relative}\n{status.st_size}\n{status.st_mtime_ns}"
    known = store.get(stamp)
    if known is not None:
        return known
    heard = extract_features(path, hearing)
    rows = np.concatenate([heard.vector[None], heard.windows])
    store.put(stamp, rows)
    return rows
