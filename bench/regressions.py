"""Ways of fitting on the starter's own clips, on the same folds: ours, the paper's, and an AutoML.

    python -m bench.regressions [--automl-s 3600] [--kept DIR]

Every way gets the same descriptors and the same five grouped folds, and chooses its settings inside
the training part of each. Ours is fitted on the whole table, as the bundle is; the others on one
corpus and dimension at a time, which leaves them no other domain to be misled by. The AutoML is
FLAML (Wang et al., MLSys 2021), which is given so many seconds in all, and the first seed only.
Times are those of the processor, one core. Predictions are kept in DIR, and what lies there is not
made again.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.model_selection import GroupKFold

from trainer.bundle import TABLE
from trainer.evaluation import OUTER_FOLDS
from trainer.experiments.paper import ElasticNetPipeline, SupportVectorPipeline
from trainer.experts import DIMENSIONS
from trainer.folds import grouped_folds
from trainer.measures import r2
from trainer.registry import SHIPPED
from trainer.regression import JointRegression
from trainer.table import decode_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from trainer.table import TrainingTable

    Predict = Callable[[TrainingTable, int], NDArray[np.float64]]

SEEDS = (20240229, 20240230, 20240231)
CORPORA = ("vgmidi", "emotify", "sonancia")
MUSIC = ("vgmidi", "emotify")
INNER_FOLDS = 3
AUTOML = "automl"
CHOICES: Mapping[str, Sequence[float]] = {
    "music_harmony": (0.15, 0.25, 0.4),
    "music_reach": (1.0, 1.5, 2.5),
    "music_noise": (0.06, 0.12, 0.2),
}
"""What is tried for the music expert where its settings are chosen inside the folds."""


class Way(NamedTuple):
    """A way of fitting, and the seeds it is tried with."""

    title: str
    predict: Predict
    seeds: Sequence[int] = SEEDS


class Trial(NamedTuple):
    """What a way said of clips it had not met: shape (clips, 2), and the processor's seconds."""

    predicted: NDArray[np.float64]
    processor_s: float


def ours(table: TrainingTable, seed: int) -> NDArray[np.float64]:
    """Predict by the joint regression, its settings as shipped."""
    return _jointly(table, seed, lambda _: JointRegression(seed=seed))


def ours_chosen(table: TrainingTable, seed: int) -> NDArray[np.float64]:
    """Predict by the joint regression, the music expert's settings chosen inside each fold."""
    return _jointly(table, seed, partial(_chosen, seed=seed))


def _jointly(
    table: TrainingTable, seed: int, regression: Callable[[TrainingTable], JointRegression]
) -> NDArray[np.float64]:
    folds = grouped_folds(table.corpus, table.group, OUTER_FOLDS, seed)
    predicted = np.empty(table.ratings.shape)
    for fold in range(OUTER_FOLDS):
        known = table.chosen(folds != fold)
        fitted = regression(known).fit_experts(known)
        predicted[folds == fold] = fitted.predict(table.vectors[folds == fold]).affect
    return np.clip(predicted, -1.0, 1.0)


def _chosen(table: TrainingTable, seed: int) -> JointRegression:
    """Return the settings that predict held-out groups of a table best, one setting at a time."""
    best = JointRegression(seed=seed)
    for name, values in CHOICES.items():
        tried = [JointRegression().set_params(**{**best.get_params(), name: x}) for x in values]
        best = max(tried, key=partial(_inner_score, table))
    return best


def _inner_score(table: TrainingTable, regression: JointRegression) -> float:
    folds = grouped_folds(table.corpus, table.group, INNER_FOLDS, regression.seed + 1)
    predicted = np.empty(table.ratings.shape)
    for fold in range(INNER_FOLDS):
        fitted = regression.fit_experts(table.chosen(folds != fold))
        predicted[folds == fold] = fitted.predict(table.vectors[folds == fold]).affect
    return float(np.mean([_r2(table, predicted, name) for name in MUSIC]))


def by_pipeline(
    pipeline: type[SupportVectorPipeline | ElasticNetPipeline],
    table: TrainingTable,
    seed: int,
    *,
    harmony: bool = True,
) -> NDArray[np.float64]:
    """Predict each corpus by a pipeline of the paper, with or without our own descriptors."""
    columns = np.flatnonzero(~table.is_harmony | harmony)
    described = table.described_by(columns)

    def fit_predict(known: NDArray[np.intp], asked: NDArray[np.intp]) -> NDArray[np.float64]:
        return pipeline(described.chosen(known), seed).predict(described.vectors[asked])

    return _one_by_one(table, seed, fit_predict)


def by_automl(table: TrainingTable, seed: int, *, budget_s: float) -> NDArray[np.float64]:
    """Predict each corpus and dimension by what FLAML finds in its share of the time."""
    automl: Any = import_module("flaml")  # untyped, takes seconds, and only one way needs it

    share_s = budget_s / (len(CORPORA) * len(DIMENSIONS) * OUTER_FOLDS)

    def fit_predict(known: NDArray[np.intp], asked: NDArray[np.intp]) -> NDArray[np.float64]:
        columns = []
        for dim in range(len(DIMENSIONS)):
            search = automl.AutoML()
            search.fit(
                table.vectors[known],
                table.ratings[known, dim],
                task="regression",
                metric="r2",
                time_budget=share_s,
                eval_method="cv",
                split_type=GroupKFold(INNER_FOLDS),
                groups=table.group[known],
                n_jobs=1,
                seed=seed,
                verbose=0,
            )
            columns.append(search.predict(table.vectors[asked]))
        return np.stack(columns, axis=1)

    return _one_by_one(table, seed, fit_predict)


def _one_by_one(
    table: TrainingTable,
    seed: int,
    fit_predict: Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    folds = grouped_folds(table.corpus, table.group, OUTER_FOLDS, seed)
    predicted = np.zeros(table.ratings.shape)
    for corpus in CORPORA:
        for fold in range(OUTER_FOLDS):
            known = np.flatnonzero((table.corpus == corpus) & (folds != fold))
            asked = np.flatnonzero((table.corpus == corpus) & (folds == fold))
            predicted[asked] = fit_predict(known, asked)
    return np.clip(predicted, -1.0, 1.0)


def _r2(table: TrainingTable, predicted: NDArray[np.float64], corpus: str) -> list[float]:
    rows = table.corpus == corpus
    return [r2(table.ratings[rows, dim], predicted[rows, dim]) for dim in range(len(DIMENSIONS))]


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
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, predicted=predicted, processor_s=time.process_time() - began_s)
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
        word = "within" if lead <= spread else "BEYOND"
        lines.append(
            f"\n{name}: first is {first}, {our} is behind by {lead:.3f}, {word} its spread"
        )
    return "\n".join(lines)


def main() -> None:
    """Tries all, and prints the table: R2 of all clips, ± the standard deviation over folds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--automl-s", type=float, default=3600.0, help="0 leaves it out")
    parser.add_argument("--kept", type=Path, default=Path(".regressions"))
    asked = parser.parse_args()
    table = decode_table((SHIPPED / TABLE).read_bytes(), str(SHIPPED))
    columns: dict[str, list[Column]] = {}
    taken_s: dict[str, float] = {}
    for name, way in ways(asked.automl_s).items():
        suffix = f"-{asked.automl_s:.0f}" if name == AUTOML else ""
        trials = {
            seed: tried(way, asked.kept / f"{name}{suffix}-{seed}.npz", table, seed)
            for seed in way.seeds
        }
        columns[way.title] = columns_of(table, trials)
        taken_s[way.title] = float(np.mean([trial.processor_s for trial in trials.values()]))
        print(f"{way.title}: done", file=sys.stderr)
    print(report(columns, taken_s))


if __name__ == "__main__":
    main()
