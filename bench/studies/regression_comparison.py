"""Compares the regression with the paper's, others and an AutoML, on the starter's clips.

    python -m bench.studies.regression_comparison [--automl-s 3600] [--stored DIR]

All methods get the same descriptors and the same five grouped folds, and choose their
hyperparameters inside the training part of each fold. Ours is fitted on the whole table, as in the
bundle. The others are fitted on one corpus at a time, so that no other domain misleads them. The
AutoML is FLAML (Wang et al., MLSys 2021), with a time budget for everything and the first seed
only. Times are processor seconds on one core. Predictions are stored in DIR and used again.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bench.studies.regression_methods import (
    CORPORA,
    MUSIC,
    by_automl,
    by_pipeline,
    by_regressor,
    least_squares,
    ours,
    ours_chosen,
    trees,
)
from trainer.bundles.bundle import SHIPPED, TABLE
from trainer.evaluation.cross_validation import OUTER_FOLDS
from trainer.evaluation.scores import r2
from trainer.experiments.paper import ElasticNetPipeline, SupportVectorPipeline
from trainer.regression.folds import grouped_folds
from trainer.regression.joint import JointRegression
from trainer.regression.kind_kernel import DIMENSIONS
from trainer.regression.training_table import decode_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

    Predict = Callable[[TrainingTable, int], NDArray[np.float64]]

SEEDS = (20240229, 20240230, 20240231)
AUTOML = "automl"


class Method(NamedTuple):
    """A method, and the seeds of the folds it is run with."""

    title: str
    predict: Predict
    seeds: Sequence[int] = SEEDS


class Predictions(NamedTuple):
    """Out-of-fold predictions of shape (clips, 2), and the processor seconds they took."""

    predicted: NDArray[np.float64]
    processor_s: float


def methods(automl_s: float) -> dict[str, Method]:
    """Returns all methods; the AutoML has a budget in seconds, and is left out if that is 0."""
    found = {
        "ours": Method("ours, as shipped", ours),
        "ours-chosen": Method("ours, music settings chosen inside", ours_chosen),
        "svr": Method("support vectors (the paper's)", partial(by_pipeline, SupportVectorPipeline)),
        "svr-6373": Method(
            "the same on ComParE alone",
            partial(by_pipeline, SupportVectorPipeline, compare_alone=True),
        ),
        "elasticnet": Method("elastic net", partial(by_pipeline, ElasticNetPipeline)),
        "pls": Method("partial least squares", partial(by_regressor, least_squares)),
        "trees": Method("extremely randomised trees", partial(by_regressor, trees)),
    }
    if automl_s > 0:
        found[AUTOML] = Method("FLAML", partial(by_automl, budget_s=automl_s), SEEDS[:1])
    return found


def predictions_of(method: Method, stored: Path, table: TrainingTable, seed: int) -> Predictions:
    """Returns stored predictions, or makes and stores them."""
    if not stored.exists():
        began_s = time.process_time()
        with warnings.catch_warnings():
            # Some of the tried settings do not converge; they are not chosen.
            warnings.simplefilter("ignore")
            predicted = method.predict(table, seed)
        partial_file = stored.with_suffix(".part.npz")
        np.savez(partial_file, predicted=predicted, processor_s=time.process_time() - began_s)
        partial_file.rename(stored)
    with np.load(stored) as found:
        return Predictions(found["predicted"], float(found["processor_s"]))


class Column(NamedTuple):
    """R2 of one method, corpus and dimension: averaged over seeds, and of each fold."""

    mean: float
    folds: NDArray[np.float64]

    @property
    def spread(self) -> float:
        """Standard deviation over the folds."""
        return float(self.folds.std(ddof=1))


def columns_of(table: TrainingTable, by_seed: Mapping[int, Predictions]) -> list[Column]:
    """Returns the columns of a method, ordered by corpus and then by dimension."""
    found = []
    for corpus in CORPORA:
        rows = table.corpus == corpus
        for dim in range(len(DIMENSIONS)):
            rated = table.ratings[:, dim]
            means, parts = [], []
            for seed, made in by_seed.items():
                predicted = made.predicted[:, dim]
                means.append(r2(rated[rows], predicted[rows]))
                folds = grouped_folds(table.corpus, table.group, OUTER_FOLDS, seed)
                for fold in range(OUTER_FOLDS):
                    out = rows & (folds == fold)
                    parts.append(
                        1 - _squares(rated[out] - predicted[out]) / _expected(rated, rows, out)
                    )
            found.append(Column(float(np.mean(means)), np.array(parts)))
    return found


def _squares(errors: NDArray[np.float64]) -> float:
    return float(np.square(errors).sum())


def _expected(rated: NDArray[np.float64], rows: NDArray[np.bool_], out: NDArray[np.bool_]) -> float:
    """Returns the sum of squares by the variance of the corpus: a fold's own is too uncertain."""
    return float(rated[rows].var() * out.sum())


def report(columns: Mapping[str, list[Column]], seconds_of: Mapping[str, float]) -> str:
    """Returns the table, and which methods lead ours, which is the first."""
    names = [f"{corpus}, {dimension}" for corpus in CORPORA for dimension in DIMENSIONS]
    music = len(MUSIC) * len(DIMENSIONS)
    lines = [
        f"| regression | {' | '.join(names)} | mean of music | processor s |",
        f"| --- |{' --- |' * (len(names) + 2)}",
    ]
    for title, row in columns.items():
        cells = " | ".join(f"{each.mean:.3f} ± {each.spread:.2f}" for each in row)
        mean = np.mean([each.mean for each in row[:music]])
        lines.append(f"| {title} | {cells} | {mean:.3f} | {seconds_of[title]:.0f} |")
    our, *_ = columns
    for place, name in enumerate(names):
        first = max(columns, key=lambda title: columns[title][place].mean)
        lead = columns[first][place].mean - columns[our][place].mean
        spread = columns[first][place].spread
        if lead > 0:
            word = "within" if lead <= spread else "BEYOND"
            lines.append(f"\n{name}: {first} leads by {lead:.3f}, {word} its fold spread")
    return "\n".join(lines)


def main() -> None:
    """Runs all, and prints the table: R2 of all clips ± the standard deviation over folds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--automl-s", type=float, default=3600.0, help="budget of the AutoML; 0 leaves it out"
    )
    parser.add_argument("--stored", "--kept", type=Path, default=Path(".regressions"))
    chosen = parser.parse_args()
    table = decode_table((SHIPPED / TABLE).read_bytes(), str(SHIPPED))
    # Predictions of other clips or of another regression must not be used again.
    key = (SHIPPED / TABLE).read_bytes() + repr(JointRegression().get_params()).encode()
    stored = chosen.stored / sha256(key).hexdigest()[:12]
    stored.mkdir(parents=True, exist_ok=True)
    columns: dict[str, list[Column]] = {}
    seconds_of: dict[str, float] = {}
    for name, method in methods(chosen.automl_s).items():
        suffix = f"-{chosen.automl_s:.0f}" if name == AUTOML else ""
        by_seed = {
            seed: predictions_of(method, stored / f"{name}{suffix}-{seed}.npz", table, seed)
            for seed in method.seeds
        }
        columns[method.title] = columns_of(table, by_seed)
        seconds_of[method.title] = float(np.mean([made.processor_s for made in by_seed.values()]))
        print(f"{method.title}: done", file=sys.stderr)
    print(report(columns, seconds_of))


if __name__ == "__main__":
    main()
