"""The table a bundle is fitted on: descriptors, ratings and where they come from.

It travels with the bundle, so that a later fit can be joint, or repeated, without any sound.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.features.vector_codec import pack, unpack
from trainer.trainer_errors import BundleCorrupt

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TEXTS: Final = ("path", "corpus", "domain", "follows", "group")
_NUMBERS: Final = ("ratings", "weight", "sets_scale", "steadiness", "is_harmony")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTable:
    """Rated clips, one a row.

    Attributes:
        vectors: shape (clips, descriptors), float32, rounded as `trainer.features.vector_codec`
        rounds. ratings: shape (clips, 2), arousal and valence in [-1, 1].
        weight: shape (clips,), how much a rating counts, in (0, 1].
        path: shape (clips,), relative to the folder of all corpora.
        corpus: shape (clips,).
        domain: shape (clips,), ``music`` or ``sound``.
        follows: shape (clips,), the expert that learns from the clip, ``music`` or ``sound``.
        group: shape (clips,), clips of one group are never split between folds.
        sets_scale: shape (clips,), whether an anchored expert takes its scale from the clip; not so
            for what was brought in later, or many sounds of one kind would squeeze all others into
            a corner of it.
        steadiness: shape (descriptors,), in [0, 1]: the share of a descriptor's variance that lies
            between clips and not between windows of one clip (intraclass correlation).
        is_harmony: shape (descriptors,), whether a descriptor is one of harmony and rhythm.
    """

    vectors: NDArray[np.float32]
    ratings: NDArray[np.float64]
    weight: NDArray[np.float64]
    path: NDArray[np.str_]
    corpus: NDArray[np.str_]
    domain: NDArray[np.str_]
    follows: NDArray[np.str_]
    group: NDArray[np.str_]
    sets_scale: NDArray[np.bool_]
    steadiness: NDArray[np.float32]
    is_harmony: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.weight)

    def subset(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> TrainingTable:
        """Return the table of some rows, what is known of the descriptors staying as it is."""
        return TrainingTable(
            vectors=self.vectors[rows],
            ratings=self.ratings[rows],
            weight=self.weight[rows],
            path=self.path[rows],
            corpus=self.corpus[rows],
            domain=self.domain[rows],
            follows=self.follows[rows],
            group=self.group[rows],
            sets_scale=self.sets_scale[rows],
            steadiness=self.steadiness,
            is_harmony=self.is_harmony,
        )

    def with_descriptors(self, columns: NDArray[np.intp]) -> TrainingTable:
        """Return the table of some descriptors."""
        return replace(
            self,
            vectors=self.vectors[:, columns],
            steadiness=self.steadiness[columns],
            is_harmony=self.is_harmony[columns],
        )

    def encoded(self) -> bytes:
        """Return the table as a compressed npz archive, two bytes a descriptor.

        High and low bytes are kept apart and descriptor by descriptor, which compresses best.
        """
        packed = pack(self.vectors.ravel())
        codes = np.frombuffer(packed, dtype=np.uint8, offset=1).reshape(*self.vectors.shape, 2)
        texts = {name: getattr(self, name).astype(np.str_) for name in _TEXTS}
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        stream = io.BytesIO()
        np.savez_compressed(
            stream,
            allow_pickle=False,
            code=np.uint8(packed[0]),
            high=np.ascontiguousarray(codes[:, :, 1].T),
            low=np.ascontiguousarray(codes[:, :, 0].T),
            **texts,
            **numbers,
        )
        return stream.getvalue()


def decode_table(content: bytes, place: str) -> TrainingTable:
    """Read a table; nothing in it is ever unpickled.

    Args:
        content: what `TrainingTable.encoded` returned.
        place: what to call the bundle in an error.

    Raises:
        BundleCorrupt: the bytes are no such table.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            planes = np.stack([arrays["low"].T, arrays["high"].T], axis=-1)
            codes = np.ascontiguousarray(planes, dtype=np.uint8)
            known = {name: arrays[name] for name in (*_TEXTS, *_NUMBERS) if name in arrays}
            # Without it, a bundle was fitted on a scale of all its clips, and is fitted again so.
            known.setdefault("sets_scale", np.ones(len(planes), np.bool_))
            flat = unpack(bytes([int(arrays["code"])]) + codes.tobytes())
            table = TrainingTable(
                vectors=flat.reshape(planes.shape[:2]),
                **known,
            )
    except Exception as error:
        # What zip, zlib and numpy's header parser raise on damage is more than they document.
        raise BundleCorrupt(f"{place}: table.npz is no feature table: {error}") from error
    lengths = [len(getattr(table, name)) for name in (*_TEXTS, "weight", "ratings", "sets_scale")]
    if any(length != len(table.vectors) for length in lengths):
        raise BundleCorrupt(f"{place}: the columns of table.npz differ in length")
    return table


def steadiness_of(
    windows: NDArray[np.float32], owner: NDArray[np.intp], clips: int
) -> NDArray[np.float32]:
    """Measure how much of each descriptor belongs to the clip and not to the moment.

    The intraclass correlation of a one-way analysis of variance (Shrout and Fleiss, Psychological
    Bulletin 86, 1979, their ICC(1)) on the normal scores of single windows.

    Args:
        windows: shape (windows, descriptors).
        owner: clip of each window, shape (windows,); clips of one window tell nothing and are
            left out.
        clips: how many clips there are.

    Returns:
        Shape (descriptors,), float32, in [0, 1]; 1 throughout if no clip has two windows.
    """
    from trainer.regression.quantile_scale import QuantileScale  # noqa: PLC0415 - scipy is not for those who only read

    counts = np.bincount(owner, minlength=clips)
    several = counts[owner] > 1
    kept, owners = windows[several], np.unique(owner[several], return_inverse=True)[1]
    if not len(kept):
        return np.ones(windows.shape[1], dtype=np.float32)
    sizes = np.bincount(owners).astype(np.float64)
    steady = np.empty(windows.shape[1], dtype=np.float32)
    # Column blocks, since all scores of all windows at once would not fit a small machine.
    for start in range(0, windows.shape[1], 512):
        block = np.ascontiguousarray(kept[:, start : start + 512])
        scores = QuantileScale(block).scores(block).astype(np.float64)
        means = np.zeros((len(sizes), scores.shape[1]))
        np.add.at(means, owners, scores)
        means /= sizes[:, None]
        within = np.square(scores - means[owners]).sum(axis=0) / (len(scores) - len(sizes))
        among = sizes @ np.square(means - scores.mean(axis=0)) / (len(sizes) - 1)
        size = sizes.mean()
        share = (among - within) / np.maximum(among + (size - 1) * within, 1e-12)
        steady[start : start + 512] = np.clip(share, 0.0, 1.0)
    return steady
