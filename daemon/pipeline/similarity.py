"""Compares sounds with a given file: what it feels like, and how far they sound from it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from daemon.worker.active_bundle import ActiveBundle
from trainer.audio.sound_file import opened
from trainer.bundles.bundle import authenticated, load
from trainer.features.packed_vector import is_stored
from trainer.features.sketch import SKETCH_BYTES, likenesses, sketches_of
from trainer.features.vector_codec import unpack_many

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from daemon.worker.worker_client import WorkerClient
    from storage.catalogue import Catalogue
    from storage.schema.records import Sound
    from storage.schema.sound_filter import SoundFilter
    from storage.search.found_rows import SoundSearch
    from trainer.bundles.bundle import Bundle

_BATCH: Final = 512
_CANDIDATES: Final = 1000
"""Sounds with the nearest sketches whose vectors are compared, for each of which a query asks less
than a tenth; sketches are right to about .09."""


class SimilarSound(NamedTuple):
    """A sound and its distance, from 0 (the same) to 2; None if it has no feature vector."""

    sound: Sound
    distance: float | None


class Similarity:
    """Finds the sounds that sound like a file.

    The distance is 1 minus the cosine of the feature vectors, each feature as its normal score
    among the clips that the published bundle was fitted on, so that no feature outweighs another.

    Args:
        catalogue: holds the stored feature vectors and their sketches.
        worker: reads the file.
        registry: folder of the bundles.

    Raises:
        BundleError: the published bundle cannot be used.
    """

    def __init__(self, catalogue: Catalogue, worker: WorkerClient, registry: Path) -> None:
        self._catalogue, self._worker = catalogue, worker
        directory, _ = worker.prepare(registry)
        self._bundle = load(directory)

    def nearest(
        self,
        file: Path,
        wanted: SoundFilter,
        finder: SoundSearch,
        progress: Callable[[int], None] = lambda _: None,
    ) -> list[SimilarSound]:
        """Return the sounds that match, without the file itself, the most similar first.

        Args:
            file: any sound file, by its canonical path; its features are extracted unless the
                catalogue has them.
            wanted: which sounds; its order does not count.
            finder: searches the catalogue.
            progress: takes the number of sounds that were sketched, now and then.

        Raises:
            ClipError: the file cannot be used.
        """
        direction = self._direction_of(file)
        self.sketch(progress)
        order = self._by_sketch(direction)
        wanted = replace(wanted, but=file, near=None, sort=None)
        count = len(order) if wanted.limit is None else max(_CANDIDATES, 10 * wanted.limit)
        while True:
            matching = finder.among(wanted, order[:count])
            if count >= len(order) or len(matching) >= (wanted.limit or 0):
                break
            count *= 4
        found = self._measured(matching, direction)
        if wanted.limit is None or len(found) < wanted.limit:
            known = {similar.sound.path for similar in found}
            others = (sound for sound in finder.sounds(wanted) if sound.path not in known)
            found += [SimilarSound(sound, None) for sound in others]
        return found[: wanted.limit]

    def sketch(self, progress: Callable[[int], None] = lambda _: None) -> None:
        """Make the sketches that are missing, from the stored vectors."""
        store, manifest, done = self._catalogue.sketches, self._bundle.manifest, 0
        store.begin(manifest.name)
        while rows := store.missing(manifest.hearing, _BATCH):
            usable = self._usable(rows)
            made: dict[int, bytes] = {}
            if usable:
                sketches = sketches_of(self._directions(list(usable.values())))
                made = dict(zip(usable, map(bytes, sketches), strict=True))
            store.put(made, [number for number, _ in rows])
            done += len(rows)
            progress(done)

    def _direction_of(self, file: Path) -> NDArray[np.float32]:
        hearing = self._bundle.manifest.hearing
        with opened(file) as sound:
            identity = self._worker.identify(sound)
            known = self._catalogue.vector_of(identity, hearing)
            packed = known or self._worker.extract(sound, identity)[0].vector
        direction: NDArray[np.float32] = self._directions([packed])[0]
        return direction

    def _by_sketch(self, direction: NDArray[np.float32]) -> list[int]:
        """Return the numbers of all sounds with a sketch, the most similar first."""
        wanted = sketches_of(direction[None])[0]
        numbers, values = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
        for first, content in self._catalogue.sketches.blocks():
            block = np.frombuffer(content, np.int8).reshape(-1, SKETCH_BYTES)
            present = np.flatnonzero(block.any(axis=1))
            numbers.append(present + first)
            values.append(likenesses(block, wanted)[present])
        order = np.argsort(-np.concatenate(values), kind="stable")
        found: list[int] = np.concatenate(numbers)[order].tolist()
        return found

    def _measured(
        self, matching: Sequence[tuple[int, Sound]], direction: NDArray[np.float32]
    ) -> list[SimilarSound]:
        """Return sounds with their distances by the stored vectors, the nearest first."""
        distances: dict[int, float] = {}
        numbers = sorted({number for number, _ in matching})
        for at in range(0, len(numbers), _BATCH):
            some = numbers[at : at + _BATCH]
            stored = self._catalogue.sketches.vectors(some, self._bundle.manifest.hearing)
            vectors = self._usable(stored.items())
            if vectors:
                cosines = self._directions(list(vectors.values())) @ direction
                # Rounding may take the cosine of equal vectors beyond 1.
                values = np.clip(1.0 - cosines, 0.0, 2.0).tolist()
                distances |= dict(zip(vectors, values, strict=True))
        found = [SimilarSound(sound, distances.get(number)) for number, sound in matching]
        return sorted(found, key=_nearest_first)

    def _usable(self, vectors: Iterable[tuple[int, bytes]]) -> dict[int, bytes]:
        """Leave out damaged vectors: a rescoring has their files analysed again."""
        features = self._bundle.manifest.features
        return {number: vector for number, vector in vectors if is_stored(vector, features)}

    def _directions(self, packed: Sequence[bytes]) -> NDArray[np.float32]:
        """Return the normal scores of packed vectors, shape (vectors, features), norm 1."""
        return _directions(self._bundle, packed)


def affect_of_file(
    file: Path, catalogue: Catalogue, worker: WorkerClient, registry: Path
) -> tuple[float, float]:
    """Return arousal and valence of a file, which is analysed unless the catalogue has its sound.

    Args:
        file: any sound file, by its canonical path.
        catalogue: may know the sound under another path.
        worker: reads the file.
        registry: folder of the bundles.

    Raises:
        ClipError: the file cannot be used.
        BundleError: the published bundle cannot be used.
    """
    with opened(file) as sound:
        identity = worker.identify(sound)
        prediction = catalogue.affect_of(identity)
        if prediction is None:
            directory, _ = worker.prepare(registry)
            manifest, digest = authenticated(directory)
            bundle = ActiveBundle(directory, manifest.name, manifest.hearing, digest)
            prediction = worker.analyse(sound, identity, bundle).prediction
    return prediction.arousal, prediction.valence


def _nearest_first(similar: SimilarSound) -> tuple[bool, float, Path]:
    return similar.distance is None, similar.distance or 0.0, similar.sound.path


def _directions(bundle: Bundle, packed: Sequence[bytes]) -> NDArray[np.float32]:
    scores = bundle.normal_scores(unpack_many(packed))
    lengths = np.linalg.norm(scores, axis=1, keepdims=True)
    directions: NDArray[np.float32] = scores / lengths
    return directions
