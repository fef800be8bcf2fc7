"""From the corpora's sound to the starter's table, hearing each file at most once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from trainer.features.extract import hear
from trainer.features.feature_cache import FeatureCache
from trainer.features.opensmile import FEATURES
from trainer.features.vector_codec import rounded
from trainer.regression.training_table import TrainingTable, steadiness_of
from trainer.trainer_errors import ClipError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.corpora.rated_clip import RatedClip
    from trainer.features.extract import HearingSettings


def heard_windows(
    corpora_dir: Path,
    clips: Sequence[RatedClip],
    hearing: HearingSettings,
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


def table_of(clips: Sequence[RatedClip], heard: Sequence[NDArray[np.float32]]) -> TrainingTable:
    """Put clips and what was heard of them into one table.

    Args:
        clips: the rated clips.
        heard: for each its mean vector and its windows, as `heard_windows` returns them.
    """
    owner = np.repeat(np.arange(len(clips)), [len(each) - 1 for each in heard])
    windows = np.concatenate([each[1:] for each in heard])

    def texts(name: str) -> NDArray[np.str_]:
        return np.array([getattr(clip, name) for clip in clips], dtype=np.str_)

    return TrainingTable(
        vectors=rounded(np.stack([each[0] for each in heard])),
        ratings=np.array([(clip.arousal, clip.valence) for clip in clips]),
        weight=np.array([clip.weight for clip in clips]),
        path=texts("path"),
        corpus=texts("corpus"),
        domain=texts("domain"),
        follows=texts("follows"),
        group=texts("group"),
        sets_scale=np.ones(len(clips), np.bool_),
        steadiness=steadiness_of(windows, owner, len(clips)),
        is_harmony=np.arange(windows.shape[1]) >= FEATURES,
    )


def _recalled_or_heard(
    path: Path, relative: str, hearing: HearingSettings, store: FeatureCache
) -> NDArray[np.float32]:
    status = path.stat()
    stamp = f"{relative}\n{status.st_size}\n{status.st_mtime_ns}"
    known = store.recall(stamp)
    if known is not None:
        return known
    heard = hear(path, hearing)
    rows = np.concatenate([heard.vector[None], heard.windows])
    store.keep(stamp, rows)
    return rows
