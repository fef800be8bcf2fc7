"""Measures how predictions change if every file is normalised to one level first.

    python -m bench.studies.level_normalisation CORPORA [--features FILE]

The features of every clip of the starter's table are extracted again with its windows normalised to
one level (`bench/studies/treatments.py`). Out-of-fold predictions use the same folds as with the
canonical features, and in both cases the steadiness of descriptors from the table. Printed is the
R2 of each part for three seeds of the folds. FILE stores the features.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.studies.treatments import EXTRACTIONS, features_of
from trainer.bundles import bundle
from trainer.bundles.bundle import SHIPPED
from trainer.evaluation.cross_validation import parts_of
from trainer.evaluation.scores import r2
from trainer.features.vector_codec import rounded
from trainer.regression.folds import grouped_folds
from trainer.regression.joint import regression_from
from trainer.regression.training_table import decode_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

SEEDS = (20240229, 1, 2)
FOLDS = 5


def predicted(table: TrainingTable, seed: int) -> NDArray[np.float64]:
    """Returns out-of-fold predictions, shape (clips, 2)."""
    unfitted = regression_from(bundle.verify(SHIPPED, guarded=False).recipe.settings)
    folds = grouped_folds(table.corpus, table.group, FOLDS, seed)
    affect = np.empty(table.ratings.shape)
    for fold in range(FOLDS):
        out = folds == fold
        fitted = unfitted.fit_kernel(table.subset(~out))
        affect[out] = np.clip(fitted.predict(table.vectors[out]).affect, -1, 1)
    return affect


def main() -> None:
    """Extracts, predicts, prints a line for each part and dimension."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--features", "--kept", type=Path)
    chosen = parser.parse_args()
    table = decode_table((SHIPPED / bundle.TABLE).read_bytes(), "starter")
    if chosen.features and chosen.features.exists():
        vectors = np.load(chosen.features)
    else:
        paths = [chosen.corpora / path for path in table.path.tolist()]
        levelled = EXTRACTIONS["normalised level"]
        with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            found = pool.map(partial(features_of, extraction=levelled), paths, chunksize=4)
            vectors = rounded(np.stack(list(found)))
        if chosen.features:
            np.save(chosen.features, vectors)
    tables = {"as it is": table, "normalised level": replace(table, vectors=vectors)}
    by_table = {name: [predicted(each, seed) for seed in SEEDS] for name, each in tables.items()}
    print(
        "| part | dimension | clips | original level | normalised level |\n"
        "| --- | --- | --- | --- | --- |"
    )
    for part, rows in parts_of(table):
        for dim, dimension in enumerate(("arousal", "valence")):
            cells = []
            for each in by_table.values():
                scores = [r2(table.ratings[rows, dim], one[rows, dim]) for one in each]
                cells.append(f"{np.mean(scores):.3f} ± {np.std(scores, ddof=1):.3f}")
            print(f"| {part} | {dimension} | {rows.sum()} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
