"""Ways of fitting on the starter's own clips, on the same folds: ours, the paper's, and an AutoML.

    python -m bench.studies.regression_comparison [--automl-s 3600] [--kept DIR]

Every way gets the same descriptors and the same five grouped folds, and chooses its settings inside
the training part of each. Ours is fitted on the whole table, as the bundle is, and so is the one
kernel of `bench/studies/single_kernel.py`; the others on one corpus at a time, which leaves them no
other domain to be misled by. The AutoML is FLAML (Wang et al., MLSys 2021), which is given so many
seconds in all, and the first seed only. Times are those of the processor, one core. Predictions are
kept in DIR, and what lies there is not made again.
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
    by_model,
    by_pipeline,
    least_squares,
    ours,
    ours_chosen,
    trees,
)
from bench.studies.single_kernel import by_one_kernel
from trainer.bundles.bundle import TABLE
from trainer.bundles.registry import SHIPPED
from trainer.evaluation.cross_validation import OUTER_FOLDS
from trainer.evaluation.scores import r2
from trainer.experiments.paper import ElasticNetPipeline, SupportVectorPipeline
from trainer.regression.folds import grouped_folds
from trainer.regression.joint import JointRegression
from trainer.regression.kernel_expert import DIMENSIONS
from trainer.regression.training_table import decode_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

    Predict = Callable[[TrainingTable, int], NDArray[np.float64]]

SEEDS = (20240229, 20240230, 20240231)
AUTOML = "automl"


class Way(NamedTuple):
    """A way of fitting, and the seeds it is tried with."""

    title: str
    predict: Predict
    seeds: Sequence[int] = SEEDS


class Trial(NamedTuple):
    """What a way said of clips it had not met: shape (clips, 2), and the processor's seconds."""

    predicted: NDArray[np.float64]
    processor_s: float


def ways(automl_s: float) -> dict[str, Way]:
    """Names all ways; the AutoML has so many seconds in all, and is left out if they are none."""
    found = {
        "ours": Way("ours, as shipped", ours),
        "ours-chosen": Way("ours, music settings chosen inside", ours_chosen),
        "svr": Way("support vectors (the paper's)", partial(by_pipeline, SupportVectorPipeline)),
        "svr-6373": Way(
            "the same on ComParE alone", partial(by_pipeline, SupportVectorPipeline, harmony=False)
        ),
        "elasticnet": Way("elastic net", partial(by_pipeline, ElasticNetPipeline)),
        "pls": Way("partial least squares", partial(by_model, least_squares)),
        "trees": Way("extremely randomised trees", partial(by_model, trees)),
        "kernel": Way("one kernel for both", partial(by_one_kernel, telling="nothing")),
        "feature": Way("+ the domain as a feature", partial(by_one_kernel, telling="feature")),
        "offset": Way("+ each domain's mean", partial(by_one_kernel, telling="offset")),
        "coral": Way("+ that, and CORAL", partial(by_one_kernel, telling="coral")),
    }
    if automl_s > 0:
        found[AUTOML] = Way("FLAML", partial(by_automl, budget_s=automl_s), SEEDS[:1])
    return found


def tried(way: Way, kept: Path, table: TrainingTable, seed: int) -> Trial:
    """Returns a trial, from where it is kept if it was made before."""
    if not kept.exists():
        began_s = time.process_time()
        with warnings.catch_warnings():
            # Some of the settings that are tried do not converge, and are not chosen.
            warnings.simplefilter("ignore")
            predicted = way.predict(table, seed)
        beside = kept.with_suffix(".part.npz")
        np.savez(beside, predicted=predicted, processor_s=time.process_time() - began_s)
        beside.rename(kept)
    with np.load(kept) as found:
        return Trial(found["predicted"], float(found["processor_s"]))


class Column(NamedTuple):
    """R2 of one way, corpus and dimension: of all clips, mean over seeds, and of single folds."""

    whole: float
    folds: NDArray[np.float64]

    @property
    def spread(self) -> float:
        """Standard deviation over the folds."""
        return float(self.folds.std(ddof=1))


def columns_of(table: TrainingTable, trials: Mapping[int, Trial]) -> list[Column]:
    """Returns a way's columns, corpora outside and dimensions inside."""
    found = []
    for corpus in CORPORA:
        rows = table.corpus == corpus
        for dim in range(len(DIMENSIONS)):
            rated = table.ratings[:, dim]
            wholes, parts = [], []
            for seed, trial in trials.items():
                said = trial.predicted[:, dim]
                wholes.append(r2(rated[rows], said[rows]))
                folds = grouped_folds(table.corpus, table.group, OUTER_FOLDS, seed)
                for fold in range(OUTER_FOLDS):
                    out = rows & (folds == fold)
                    parts.append(1 - _squares(rated[out] - said[out]) / _expected(rated, rows, out))
            found.append(Column(float(np.mean(wholes)), np.array(parts)))
    return found


def _squares(errors: NDArray[np.float64]) -> float:
    return float(np.square(errors).sum())


def _expected(rated: NDArray[np.float64], rows: NDArray[np.bool_], out: NDArray[np.bool_]) -> float:
    """Returns what the corpus's own variance makes of so many clips: a fold's is too uncertain."""
    return float(rated[rows].var() * out.sum())


def report(columns: Mapping[str, list[Column]], taken_s: Mapping[str, float]) -> str:
    """Returns the table by title of the way, and what it says of ours, which is the first."""
    names = [f"{corpus}, {dimension}" for corpus in CORPORA for dimension in DIMENSIONS]
    music = len(MUSIC) * len(DIMENSIONS)
    lines = [
        f"| regression | {' | '.join(names)} | mean of music | processor s |",
        f"| --- |{' --- |' * (len(names) + 2)}",
    ]
    for title, row in columns.items():
        cells = " | ".join(f"{each.whole:.3f} ± {each.spread:.2f}" for each in row)
        mean = np.mean([each.whole for each in row[:music]])
        lines.append(f"| {title} | {cells} | {mean:.3f} | {taken_s[title]:.0f} |")
    our, *_ = columns
    for place, name in enumerate(names):
        first = max(columns, key=lambda title: columns[title][place].whole)
        lead = columns[first][place].whole - columns[our][place].whole
        spread = columns[first][place].spread
        if lead > 0:
            word = "within" if lead <= spread else "BEYOND"
            lines.append(f"\n{name}: {first} leads by {lead:.3f}, {word} its fold spread")
    return "\n".join(lines)


def main() -> None:
    """Tries all, and prints the table: R2 of all clips, ± the standard deviation over folds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--automl-s", type=float, default=3600.0, help="0 leaves it out")
    parser.add_argument("--kept", type=Path, default=Path(".regressions"))
    asked = parser.parse_args()
    table = decode_table((SHIPPED / TABLE).read_bytes(), str(SHIPPED))
    # Of other clips, or of another regression, nothing is to be found again.
    known = (SHIPPED / TABLE).read_bytes() + repr(JointRegression().get_params()).encode()
    kept = asked.kept / sha256(known).hexdigest()[:12]
    kept.mkdir(parents=True, exist_ok=True)
    columns: dict[str, list[Column]] = {}
    taken_s: dict[str, float] = {}
    for name, way in ways(asked.automl_s).items():
        suffix = f"-{asked.automl_s:.0f}" if name == AUTOML else ""
        trials = {
            seed: tried(way, kept / f"{name}{suffix}-{seed}.npz", table, seed) for seed in way.seeds
        }
        columns[way.title] = columns_of(table, trials)
        taken_s[way.title] = float(np.mean([trial.processor_s for trial in trials.values()]))
        print(f"{way.title}: done", file=sys.stderr)
    print(report(columns, taken_s))


if __name__ == "__main__":
    main()
