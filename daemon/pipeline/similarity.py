"""Sorts sounds by their similarity to a given file."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

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


def sorted_by_similarity(
    file: Path, sounds: Sequence[Sound], catalogue: Catalogue, worker: WorkerClient, registry: Path
) -> list[Sound]:
    """Sort sounds by similarity to a file, the most similar first.

    Similarity is the cosine of the feature vectors, each feature as its normal score among the
    clips that the published bundle was fitted on, so that no feature outweighs another.

    Args:
        file: any sound file; its features are extracted unless the catalogue has them.
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
        known = catalogue.vector_of(identity)
        packed = known or worker.extract(sound, identity)[0].vector
    wanted = _directions(bundle, [packed])[0]
    similarity = dict(_similarities(bundle, wanted, catalogue))
    return sorted(sounds, key=lambda sound: (-similarity.get(sound.path, -1.0), sound.path))


def _similarities(
    bundle: Bundle, wanted: NDArray[np.float32], catalogue: Catalogue
) -> Iterator[tuple[Path, float]]:
    rows = catalogue.queries.vectors()
    while batch := list(islice(rows, BATCH)):
        similarities = _directions(bundle, [packed for _, packed in batch]) @ wanted
        yield from zip((path for path, _ in batch), map(float, similarities), strict=True)


def _directions(bundle: Bundle, packed: Sequence[bytes]) -> NDArray[np.float32]:
    """Return the normal scores of packed vectors, shape (vectors, features), rows of norm 1."""
    scores = bundle.normal_scores(np.stack([unpack(vector) for vector in packed]))
    lengths = np.linalg.norm(scores, axis=1, keepdims=True)
    directions: NDArray[np.float32] = scores / lengths
    return directions
