"""Sorts sounds by their distance from a given file."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from trainer.audio.sound_file import opened
from trainer.bundles.bundle import load
from trainer.features.vector_codec import unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from daemon.worker.worker_client import WorkerClient
    from storage.catalogue import Catalogue
    from storage.schema.records import Sound
    from trainer.bundles.bundle import Bundle

BATCH = 512


class SimilarSound(NamedTuple):
    """A sound and its distance, from 0 (the same) to 2; None if it has no feature vector."""

    sound: Sound
    distance: float | None


def sorted_by_distance(
    file: Path, sounds: Sequence[Sound], catalogue: Catalogue, worker: WorkerClient, registry: Path
) -> list[SimilarSound]:
    """Sort sounds by their distance from a file, which is left out, the most similar first.

    The distance is 1 minus the cosine of the feature vectors, each feature as its normal score
    among the clips that the published bundle was fitted on, so that no feature outweighs another.

    Args:
        file: any sound file, by its canonical path; its features are extracted unless the
            catalogue has them.
        sounds: to be sorted.
        catalogue: holds the stored feature vectors.
        worker: reads the file.
        registry: folder of the bundles.

    Raises:
        ClipError: the file cannot be used.
        BundleError: the published bundle cannot be used.
    """
    directory, _ = worker.prepare(registry)
    bundle = load(directory)
    with opened(file) as sound:
        identity = worker.identify(sound)
        known = catalogue.vector_of(identity, bundle.manifest.hearing)
        packed = known or worker.extract(sound, identity)[0].vector
    wanted = _directions(bundle, [packed])[0]
    distances = dict(_distances(bundle, wanted, catalogue))
    found = [
        SimilarSound(sound, distances.get(sound.path)) for sound in sounds if sound.path != file
    ]
    return sorted(found, key=_nearest_first)


def _nearest_first(similar: SimilarSound) -> tuple[bool, float, Path]:
    return similar.distance is None, similar.distance or 0.0, similar.sound.path


def _distances(
    bundle: Bundle, wanted: NDArray[np.float32], catalogue: Catalogue
) -> Iterator[tuple[Path, float]]:
    rows = catalogue.queries.vectors(bundle.manifest.hearing)
    while batch := list(islice(rows, BATCH)):
        cosines = _directions(bundle, [packed for _, packed in batch]) @ wanted
        # Rounding may take the cosine of equal vectors beyond 1.
        distances = np.clip(1.0 - cosines, 0.0, 2.0).tolist()
        yield from zip((path for path, _ in batch), distances, strict=True)


def _directions(bundle: Bundle, packed: Sequence[bytes]) -> NDArray[np.float32]:
    """Return the normal scores of packed vectors, shape (vectors, features), rows of norm 1."""
    scores = bundle.normal_scores(np.stack([unpack(vector) for vector in packed]))
    lengths = np.linalg.norm(scores, axis=1, keepdims=True)
    directions: NDArray[np.float32] = scores / lengths
    return directions
