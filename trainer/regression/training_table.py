"""The training table of a bundle: descriptors, ratings and their origin, one clip a row.

It is stored in the bundle, so that the regression can be fitted again without any audio.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.features.packed_vector import VALUES_BEFORE_TEXTURE
from trainer.features.texture_estimate import shipped_estimate
from trainer.features.vector_codec import completed, pack, unpack_codes
from trainer.files.array_archive import read_arrays
from trainer.regression.quantile_scale import QuantileScale
from trainer.trainer_errors import BundleCorrupt

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TEXTS: Final = ("path", "corpus", "domain", "group")
_NUMBERS: Final = ("ratings", "weight", "sets_scale", "steadiness", "is_harmony")
_BY_CLIP: Final = (*_TEXTS, "vectors", "ratings", "weight", "sets_scale")
_BLOCK: Final = 200
# About eighty thousand clips.
_MOST_BYTES: Final = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingTable:
    """Rated clips, one a row.

    Attributes:
        vectors: shape (clips, descriptors), float32, rounded by `trainer.features.vector_codec`.
        ratings: shape (clips, 2), arousal and valence in [-1, 1].
        weight: shape (clips,), of a rating in the fit, in (0, 1].
        path: shape (clips,), relative to the folder of all corpora.
        corpus: shape (clips,).
        domain: shape (clips,), the kind of sound: ``music``, ``voice`` or ``sound``.
        group: shape (clips,); clips of one group are never split between folds.
        sets_scale: shape (clips,), whether the quantile scale is fitted on the clip.
            False for imported corpora: many sounds of one kind would distort the scale.
        steadiness: shape (descriptors,), in [0, 1]: the share of a descriptor's variance that lies
            between clips, not between windows of one clip (intraclass correlation).
        is_harmony: shape (descriptors,), whether a descriptor is one of harmony and rhythm.
    """

    vectors: NDArray[np.float32]
    ratings: NDArray[np.float64]
    weight: NDArray[np.float64]
    path: NDArray[np.str_]
    corpus: NDArray[np.str_]
    domain: NDArray[np.str_]
    group: NDArray[np.str_]
    sets_scale: NDArray[np.bool_]
    steadiness: NDArray[np.float32]
    is_harmony: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.weight)

    def subset(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> TrainingTable:
        """Return the table of some rows."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _BY_CLIP})

    def with_descriptors(self, columns: NDArray[np.intp]) -> TrainingTable:
        """Return the table of some columns of the vectors."""
        return replace(
            self,
            vectors=self.vectors[:, columns],
            steadiness=self.steadiness[columns],
            is_harmony=self.is_harmony[columns],
        )

    def encoded(self) -> bytes:
        """Return the table as a compressed npz archive, two bytes a descriptor.

        High and low bytes are stored apart and descriptor by descriptor, which compresses best.
        """
        packed = pack(self.vectors.ravel())
        codes = np.frombuffer(packed, dtype=np.uint8, offset=1).reshape(*self.vectors.shape, 2)
        columns = {name: getattr(self, name).astype(np.str_) for name in _TEXTS}
        columns |= {name: getattr(self, name) for name in _NUMBERS}
        stream = io.BytesIO()
        np.savez_compressed(
            stream,
            allow_pickle=False,
            code=np.uint8(packed[0]),
            high=np.ascontiguousarray(codes[:, :, 1].T),
            low=np.ascontiguousarray(codes[:, :, 0].T),
            **columns,
        )
        return stream.getvalue()


def decode_table(content: bytes, name: str) -> TrainingTable:
    """Read a table; nothing in it is ever unpickled. `name` is that of the bundle, for errors.

    That of an earlier release is completed, as `vector_codec.completed` does.

    Raises:
        BundleCorrupt: the bytes are not such a table.
    """
    try:
        arrays = read_arrays(content, _MOST_BYTES)
        vectors = _unpacked(int(arrays["code"]), arrays.pop("low"), arrays.pop("high"))
        columns = {key: arrays[key] for key in (*_TEXTS, *_NUMBERS) if key in arrays}
        # Older bundles lack this column; their scale was fitted on all clips.
        columns.setdefault("sets_scale", np.ones(len(vectors), np.bool_))
        if "follows" in arrays:
            # Their scale was fitted on what followed music; a personal layer lies in its space.
            columns["sets_scale"] = columns["sets_scale"] & (arrays["follows"] == "music")
        if vectors.shape[1] == VALUES_BEFORE_TEXTURE:
            steady = shipped_estimate().steadiness
            no_harmony = np.zeros(len(steady), np.bool_)
            columns["steadiness"] = np.append(columns["steadiness"], steady)
            columns["is_harmony"] = np.append(columns["is_harmony"], no_harmony)
        table = TrainingTable(vectors=completed(vectors), **columns)
    except Exception as error:
        # On damage, zip, zlib and numpy's header parser raise more than they document.
        raise BundleCorrupt(f"{name}: table.npz is not a feature table: {error}") from error
    if any(len(getattr(table, key)) != len(table.vectors) for key in _BY_CLIP):
        raise BundleCorrupt(f"{name}: the columns of table.npz differ in length")
    return table


def _unpacked(code: int, low: NDArray[np.uint8], high: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return vectors from the bytes of their codes, each of shape (descriptors, clips).

    In blocks of clips: all at once took a worker more memory than the rest of its bundle.
    """
    vectors = np.empty(low.shape[::-1], dtype=np.float32)
    for start in range(0, len(vectors), _BLOCK):
        block = slice(start, start + _BLOCK)
        codes = low[:, block].T + high[:, block].T.astype(np.uint16) * np.uint16(256)
        vectors[block] = unpack_codes(code, codes)
    return vectors


def steadiness_of(
    windows: NDArray[np.float32], owner: NDArray[np.intp], clips: int
) -> NDArray[np.float32]:
    """Return how much of each descriptor's variance lies between clips, not between windows.

    The intraclass correlation of a one-way analysis of variance (Shrout and Fleiss, Psychological
    Bulletin 86, 1979, their ICC(1)) on the normal scores of single windows.

    Args:
        windows: shape (windows, descriptors).
        owner: clip of each window, shape (windows,); clips with one window are left out.
        clips: number of clips.

    Returns:
        Shape (descriptors,), float32, in [0, 1]; 1 throughout if no clip has two windows.
    """
    counts = np.bincount(owner, minlength=clips)
    several = counts[owner] > 1
    windows, owners = windows[several], np.unique(owner[several], return_inverse=True)[1]
    if not len(windows):
        return np.ones(windows.shape[1], dtype=np.float32)
    sizes = np.bincount(owners).astype(np.float64)
    steady = np.empty(windows.shape[1], dtype=np.float32)
    # In blocks of columns: all scores at once would not fit the memory of a small machine.
    for start in range(0, windows.shape[1], 512):
        block = np.ascontiguousarray(windows[:, start : start + 512])
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
