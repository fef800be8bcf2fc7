"""Chooses the sounds whose annotation would improve predictions most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.bundles.bundle import load
from trainer.bundles.registry import prepare
from trainer.features.vector_codec import unpack_many
from trainer.personal.active_learning import most_informative

if TYPE_CHECKING:
    from pathlib import Path

    from storage.catalogue import Catalogue
    from storage.training_examples import UnratedSound

CANDIDATES: Final = 2000


def sounds_to_review(catalogue: Catalogue, registry: Path, limit: int) -> list[UnratedSound]:
    """Return at most `limit` sounds, the one that would teach most first.

    The published bundle is least certain of them, and they differ from the annotated ones and from
    each other.

    Raises:
        BundleError: no bundle can be used.
    """
    bundle = load(prepare(registry)[0])
    examples = catalogue.training_examples
    unrated = examples.unrated(bundle.manifest.hearing, CANDIDATES)
    if not unrated:
        return []
    rated = examples.rated(bundle.manifest.hearing)
    packed = [sound.vector for sound in unrated] + [sound.vector for sound in rated]
    scores = bundle.normal_scores(unpack_many(packed))
    chosen = most_informative(
        scores[: len(unrated)],
        np.array([sound.uncertainty for sound in unrated]),
        scores[len(unrated) :],
        limit,
    )
    return [unrated[row] for row in chosen]
