"""Annotations of a library's sounds as arrays, from which a personal layer is fitted."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationArrays:
    """Annotated sounds, one a row; a sound that several people rated is one row with their mean.

    Attributes:
        vectors: shape (sounds, descriptors), float32, as unpacked from storage.
        ratings: shape (sounds, 2), arousal and valence in [-1, 1]; NaN where not rated.
        raters: shape (sounds,), number of people behind the mean, 1 or more.
        group: shape (sounds,), text; sounds of one group are never split between folds.
        folder: shape (sounds,), text, that holds the sound. A layer must not make predictions
            worse in folders that it was not fitted on.

    Raises:
        TrainingError: columns differ in length, or a value is out of its range.
    """

    vectors: NDArray[np.float32]
    ratings: NDArray[np.float64]
    raters: NDArray[np.intp]
    group: NDArray[np.str_]
    folder: NDArray[np.str_]

    def __post_init__(self) -> None:
        count = len(self.vectors)
        if self.vectors.ndim != 2 or self.ratings.shape != (count, 2):  # noqa: PLR2004
            raise TrainingError(
                f"annotations: {self.ratings.shape} ratings for {self.vectors.shape} descriptors, "
                "not two ratings a sound"
            )
        if any(each.shape != (count,) for each in (self.raters, self.group, self.folder)):
            raise TrainingError("annotations: the columns differ in length")
        if not np.isfinite(self.vectors).all():
            raise TrainingError("annotations: a descriptor is not finite; analyse the sound again")
        outside = np.flatnonzero((np.abs(self.ratings) > 1).any(axis=1))
        if len(outside):
            raise TrainingError(
                f"annotations: row {outside[0]} is rated {self.ratings[outside[0]].tolist()}, "
                "outside -1 to 1"
            )
        if count and not (np.isfinite(self.raters).all() and self.raters.min() >= 1):
            raise TrainingError("annotations: a rating by fewer than one person")

    def __len__(self) -> int:
        return len(self.vectors)

    def subset(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> AnnotationArrays:
        """Return the annotations of some rows."""
        return replace(self, **{each.name: getattr(self, each.name)[rows] for each in fields(self)})


def sound_keys(vectors: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return a hash of each vector, shape (sounds,), for shape (sounds, descriptors), float32."""
    return _keys(np.ascontiguousarray(vector, dtype="<f4").tobytes() for vector in vectors)


def group_keys(group: NDArray[np.str_]) -> NDArray[np.uint64]:
    """Return a hash of each group's name, shape (sounds,)."""
    return _keys(str(name).encode("utf-8", "surrogatepass") for name in group)


def _keys(contents: Iterable[bytes]) -> NDArray[np.uint64]:
    digests = [hashlib.blake2b(content, digest_size=8).digest() for content in contents]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
