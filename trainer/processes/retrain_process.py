"""Retrains on a catalogue's annotations and on imported corpora, in a process of its own.

    python -m trainer.processes.retrain_process CATALOGUE_URL REGISTRY KEEP CORPORA

Prints the result in one line. The exit code is 0 if a comparison was made, published or not.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from config.errors import ValencedError
from storage.catalogue import Catalogue
from storage.database.catalogue_file import is_there
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
    from trainer.regression.training_table import TrainingTable
    from trainer.retraining.retrain import RetrainResult

log = logging.getLogger(__name__)

SEED: Final = 20240229
NICENESS: Final = 10

_NOTHING: Final = "nothing is annotated yet, and there is no corpus: nothing to learn from"
_NO_VECTORS: Final = np.empty((0, 0), dtype=np.float32)


def retrain_from_catalogue(
    url: str, registry: Path, corpora: Path, *, keep: int, publish: bool = True, again: bool = False
) -> RetrainResult:
    """Retrain on the valid annotations and the imported corpora, and record the result.

    `again` compares corpora again that were rejected before. `url` is that of the catalogue, the
    other arguments are those of `retrain`. A corpus that cannot be used is reported in the log.

    Raises:
        CatalogueError: the catalogue cannot be read or written.
        ValencedError: as `retrain` raises; the catalogue records a failure, but neither
            `TooFewAnnotations` nor `TrainingUnderWay`.
    """
    tables = _tables(corpora)
    if not (tables or is_there(url)):
        raise TooFewAnnotations(_NOTHING)
    with closing(Catalogue(url)) as catalogue:
        begun_at = datetime.now(UTC)
        rated = catalogue.training_examples.rated(CANONICAL.key)
        training = partial(TrainingRun, begun_at, len(rated))
        if not (rated or tables):
            raise TooFewAnnotations(_NOTHING)
        try:
            annotations = _arrays(rated)
            if again:
                forget_rejected(registry)
            people = catalogue.training_examples.people(CANONICAL.key)
            result = retrain(
                registry, annotations, tables, seed=SEED, people=people, publish=publish, keep=keep
            )
        except (TrainingUnderWay, TooFewAnnotations):
            raise
        except ValencedError as error:
            catalogue.jobs.record_training(training("failed", str(error)), datetime.now(UTC))
            raise
        outcome = "published" if result.published else "kept back"
        recorded = training(outcome, result.reason, result.name)
        catalogue.jobs.record_training(recorded, datetime.now(UTC))
    return result


def _tables(corpora: Path) -> list[TrainingTable]:
    tables, problems = CorpusStore(corpora).tables(CANONICAL.key)
    for problem in problems:
        log.warning("%s", problem)
    return tables


def _arrays(rated: Sequence[RatedSound]) -> AnnotationArrays:
    ratings = [(sound.arousal, sound.valence) for sound in rated]
    return AnnotationArrays(
        vectors=unpack_many([sound.vector for sound in rated]) if rated else _NO_VECTORS,
        ratings=np.array(ratings, dtype=np.float64).reshape(-1, 2),
        raters=np.array([sound.annotators for sound in rated], dtype=np.intp),
        group=np.array([sound.identity for sound in rated], dtype=np.str_),
        folder=np.array([os.fsencode(sound.path.parent).hex() for sound in rated], dtype=np.str_),
    )


def main(arguments: Sequence[str]) -> int:
    """Run the program; return its exit code."""
    url, registry, keep, corpora = arguments
    os.nice(NICENESS)
    try:
        result = retrain_from_catalogue(url, Path(registry), Path(corpora), keep=int(keep))
    except ValencedError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stderr.write(f"{result.name}: {result.reason}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
