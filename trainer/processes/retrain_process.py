"""Learns from a catalogue's annotations and from imported corpora, in a process of its own.

    python -m trainer.processes.retrain_process CATALOGUE_URL REGISTRY KEEP CORPORA

Prints one line, what came of it, and ends with 0 if a comparison was made, published or not.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from config.errors import ValencedError
from storage.catalogue import Catalogue
from storage.jobs import TrainingRun
from trainer.corpora.corpus_store import CorpusStore
from trainer.features.extract import CANONICAL
from trainer.features.vector_codec import unpack_many
from trainer.personal.annotation_arrays import AnnotationArrays
from trainer.retraining.rejected import forget_rejected
from trainer.retraining.retrain import retrain
from trainer.trainer_errors import TooFewAnnotations, TrainingUnderWay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.training_examples import RatedSound
    from trainer.retraining.retrain import RetrainResult

log = logging.getLogger(__name__)

SEED: Final = 20240229
NICENESS: Final = 10

_NO_VECTORS: Final = np.empty((0, 0), dtype=np.float32)


def retrain_from_catalogue(
    url: str,
    registry: Path,
    corpora: Path,
    *,
    keep: int,
    publish: bool = True,
    again: bool = False,
) -> RetrainResult:
    """Fit a candidate on annotations in force and imported corpora, compare, and note how it went.

    Args:
        url: of the catalogue.
        registry: folder of the bundles.
        corpora: folder of the imported corpora; one that cannot be used is told of in the log.
        keep: how many candidates stay in it.
        publish: whether a candidate that passes is put in service.
        again: whether corpora that were refused before are compared again.

    Raises:
        TooFewAnnotations: nothing is annotated, and no corpus is new or all were refused before.
        TrainingUnderWay: another process learns just now.
        TrainingError: a fit fails.
        BundleError: the bundle in service or the registry cannot be used.
        CatalogueError: the catalogue cannot be read or written.
    """
    with closing(Catalogue(url)) as catalogue:
        begun_at = datetime.now(UTC)
        rated = catalogue.training_examples.rated(CANONICAL.key)

        def note(came_to: str, reason: str, bundle: str | None = None) -> None:
            training = TrainingRun(begun_at, len(rated), came_to, reason, bundle)
            catalogue.jobs.record_training(training, datetime.now(UTC))

        tables, problems = CorpusStore(corpora).tables(CANONICAL.key)
        for problem in problems:
            log.warning("%s", problem)
        if not (rated or tables):
            raise TooFewAnnotations(
                "nothing is annotated yet, and there is no corpus: nothing to learn from"
            )
        try:
            annotations = _arrays(rated)
            if again:
                forget_rejected(registry)
            outcome = retrain(registry, annotations, tables, seed=SEED, publish=publish, keep=keep)
        except (TrainingUnderWay, TooFewAnnotations):
            raise
        except ValencedError as error:
            note("failed", str(error))
            raise
        came_to = "published" if outcome.published else "kept back"
        note(came_to, outcome.reason, outcome.name)
    return outcome


def _arrays(rated: Sequence[RatedSound]) -> AnnotationArrays:
    return AnnotationArrays(
        vectors=unpack_many([sound.vector for sound in rated]) if rated else _NO_VECTORS,
        ratings=np.array(
            [(sound.arousal, sound.valence) for sound in rated], dtype=np.float64
        ).reshape(-1, 2),
        raters=np.array([sound.annotators for sound in rated], dtype=np.intp),
        group=np.array([sound.identity for sound in rated], dtype=np.str_),
        folder=np.array([os.fsencode(sound.path.parent).hex() for sound in rated], dtype=np.str_),
    )


def main(arguments: Sequence[str]) -> int:
    """Run the program; return its exit code."""
    url, registry, keep, corpora = arguments
    os.nice(NICENESS)
    try:
        outcome = retrain_from_catalogue(url, Path(registry), Path(corpora), keep=int(keep))
    except ValencedError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stderr.write(f"{outcome.name}: {outcome.reason}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
