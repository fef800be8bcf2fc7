"""Measures what it would cost the predictions to bring every file to one level first.

    python -m bench.studies.level_normalisation CORPORA [--kept FILE]

Every clip of the starter's table is heard once more with its windows brought to one level
(`bench/studies/treatments.py`), and predicted by fits that met nothing of its group, on the same
folds as by the canonical hearing. How steady descriptors are is taken from the table in both.
Printed is the R2 of each part for three seeds of the folds. FILE keeps what was heard.
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

from bench.studies.treatments import WAYS, heard
from trainer.bundles import bundle
from trainer.bundles.registry import SHIPPED
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
    """Predicts each clip by a fit that met nothing of its group."""
    asked = regression_from(bundle.verify(SHIPPED).recipe.settings)
    folds = grouped_folds(table.corpus, table.group, FOLDS, seed)
    said = np.empty(table.ratings.shape)
    for fold in range(FOLDS):
        out = folds == fold
        fitted = asked.fit_experts(table.subset(~out))
        said[out] = np.clip(fitted.predict(table.vectors[out]).affect, -1, 1)
    return said


def main() -> None:
    """Hears, predicts, prints a line for each part and dimension."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--kept", type=Path)
    asked = parser.parse_args()
    table = decode_table((SHIPPED / bundle.TABLE).read_bytes(), "starter")
    if asked.kept and asked.kept.exists():
        vectors = np.load(asked.kept)
    else:
        paths = [asked.corpora / path for path in table.path.tolist()]
        with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            found = pool.map(partial(heard, way=WAYS["normalised level"]), paths, chunksize=4)
            vectors = rounded(np.stack(list(found)))
        if asked.kept:
            np.save(asked.kept, vectors)
    tables = {"as it is": table, "normalised level": replace(table, vectors=vectors)}
    said = {name: [predicted(each, seed) for seed in SEEDS] for name, each in tables.items()}
    print(
        "| part | dimension | clips | original level | normalised level |\n"
        "| --- | --- | --- | --- | --- |"
    )
    for part, rows in parts_of(table):
        for dim, dimension in enumerate(("arousal", "valence")):
            cells = []
            for each in said.values():
                scores = [r2(table.ratings[rows, dim], one[rows, dim]) for one in each]
                cells.append(f"{np.mean(scores):.3f} ± {np.std(scores, ddof=1):.3f}")
            print(f"| {part} | {dimension} | {rows.sum()} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
