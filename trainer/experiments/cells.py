"""Fitting the cells (recipe and split) of the experiments, in parallel, and storing the results."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from trainer.bundles.bundle_manifest import library_versions
from trainer.experiments.conditions import permuted, training_table
from trainer.experiments.families import columns_of
from trainer.experiments.splits import domains_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.experiments.conditions import TrainingRecipe
    from trainer.experiments.experiment_plan import ExperimentPlan
    from trainer.experiments.families import Families
    from trainer.experiments.fitting import Fitting
    from trainer.experiments.grouping import Grouping
    from trainer.experiments.splits import Split
    from trainer.regression.training_table import TrainingTable

    _Cell = tuple[TrainingRecipe, int]
    """A recipe and the number of a split."""

    Fitters = Callable[[object], AbstractContextManager[object]]
    """Within what it returns, joblib calls in parallel; what all calls share is its argument."""


@dataclass(frozen=True, slots=True)
class CellResult:
    """Predictions of the held-out clips of a split by one fit.

    Affect and the ends of its 80 % intervals (NaN without intervals) have shape (test clips, 2);
    `permuted` has one such array for each permuted family, or none.
    """

    affect: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    permuted: NDArray[np.float64]
    fitted_on: int


@dataclass(frozen=True, slots=True)
class Study:
    """What all cells have in common: clips, splits, regression, families, and a grouping if any."""

    table: TrainingTable
    splits: Sequence[Split]
    fitting: Fitting
    families: Families
    grouping: Grouping | None = None

    def labels(self, plan: ExperimentPlan) -> Mapping[str, NDArray[np.bool_]]:
        """Return what a plan tests on: the clips of each kind, or with each value of a column."""
        if plan.by_grouping and self.grouping is not None:
            return {name: self.grouping.values == name for name in self.grouping.tested}
        return {name: self.table.domain == name for name in domains_of(self.table)}

    def fit_cell(self, recipe: TrainingRecipe, split: Split) -> CellResult:
        """Fit one cell, and predict the held-out clips.

        Raises:
            TrainingError: the training set has too few clips.
        """
        grouped_by = None if self.grouping is None else self.grouping.values
        train = training_table(recipe, self.table, split, self.families, grouped_by)
        fitted = self.fitting.fit(train, intervals=recipe.intervals, seed=split.seed)
        vectors, domain = self.table.vectors[split.test], self.table.domain[split.test]
        columns = columns_of(
            self.families, vectors.shape[1], without=recipe.without, only=recipe.only
        )
        predicted = fitted.predict(vectors if columns is None else vectors[:, columns])
        missing = np.full(predicted.affect.shape, np.nan)
        permutations = [
            fitted.predict(permuted(vectors, domain, family, split.seed)).affect
            for family in (self.families.values() if recipe.permuted else ())
        ]
        return CellResult(
            affect=predicted.affect,
            low=missing if predicted.low is None else predicted.low,
            high=missing if predicted.high is None else predicted.high,
            permuted=np.array(permutations).reshape(-1, *predicted.affect.shape),
            fitted_on=len(train),
        )

    @property
    def fingerprint(self) -> str:
        """A hash of everything, except recipe and split, that a result depends on."""
        digest = hashlib.blake2b(digest_size=16)
        for name in ("vectors", "ratings", "weight", "steadiness", "is_harmony"):
            digest.update(np.ascontiguousarray(getattr(self.table, name)).tobytes())
        for name in ("corpus", "domain", "group"):
            texts = getattr(self.table, name).tolist()
            digest.update("\0".join(texts).encode(errors="surrogatepass"))
        if self.grouping is not None:
            digest.update("\0".join(self.grouping.values.tolist()).encode())
        families = {name: columns.tolist() for name, columns in self.families.items()}
        rest = [self.fitting.regression, dict(self.fitting.settings), families, library_versions()]
        digest.update(json.dumps(rest, sort_keys=True).encode())
        return digest.hexdigest()


def on_threads(jobs: int) -> Fitters:
    """Return what lets joblib fit on this machine, `jobs` cells at a time."""
    return lambda _: joblib.parallel_config(backend="threading", n_jobs=jobs)


def on_dask(client: Any, workers: Sequence[str]) -> Fitters:
    """Return what lets joblib fit on some workers of a Dask cluster, by its client."""
    return lambda shared: joblib.parallel_config(
        backend="dask",
        client=client,
        scatter=[shared],
        workers=list(workers),
        allow_other_workers=False,
    )


def fit_cells(
    study: Study,
    recipes: Iterable[TrainingRecipe],
    *,
    store: CellStore,
    fitters: Fitters,
    progress: Callable[[int, int], None],
) -> dict[TrainingRecipe, list[CellResult]]:
    """Fit every recipe on every split, in parallel; report cells done and all.

    Returns:
        For each recipe its results, in the order of the splits.

    Raises:
        TrainingError: a training set has too few clips.
    """
    wanted = list(dict.fromkeys(recipes))
    numbers = range(len(study.splits))
    cells = [(recipe, number) for recipe in wanted for number in numbers]
    found: dict[_Cell, CellResult] = {}
    progress(0, len(cells))
    for cell, result in _results(study, cells, store, fitters):
        found[cell] = result
        progress(len(found), len(cells))
    return {recipe: [found[recipe, number] for number in numbers] for recipe in wanted}


def _results(
    study: Study, cells: Sequence[_Cell], store: CellStore, fitters: Fitters
) -> Iterator[tuple[_Cell, CellResult]]:
    left = []
    for cell in cells:
        known = store.get(cell[0], study.splits[cell[1]])
        if known is None:
            left.append(cell)
        else:
            yield cell, known
    calls = (joblib.delayed(_fitted)(study, *cell) for cell in left)
    with warnings.catch_warnings(), fitters(study):
        warnings.simplefilter("ignore", ConvergenceWarning)
        for cell, result in joblib.Parallel(return_as="generator_unordered")(calls):
            store.put(cell[0], study.splits[cell[1]], result)
            yield cell, result


def _fitted(study: Study, recipe: TrainingRecipe, number: int) -> tuple[_Cell, CellResult]:
    """Fit one cell, perhaps on another machine."""
    # A cell is too small for several threads of linear algebra.
    with threadpool_limits(1):
        return (recipe, number), study.fit_cell(recipe, study.splits[number])


class CellStore:
    """Finished cells on disk, from which an interrupted evaluation continues.

    Cells of a study with another fingerprint are ignored.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._folder = folder
        self._fingerprint = fingerprint

    def get(self, recipe: TrainingRecipe, split: Split) -> CellResult | None:
        """Return the result of a cell; None if there is none, or it is damaged."""
        try:
            content = self._path(recipe, split).read_bytes()
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                result = CellResult(
                    **{name: arrays[name] for name in ("affect", "low", "high", "permuted")},
                    fitted_on=int(arrays["fitted_on"]),
                )
        # On damage, zip and numpy's header parser raise more than they document.
        except Exception:  # noqa: BLE001
            return None
        return result if result.affect.shape == (len(split.test), 2) else None

    def put(self, recipe: TrainingRecipe, split: Split, result: CellResult) -> None:
        """Store a result; errors are ignored, since the cell can be fitted again."""
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **asdict(result))
        path = self._path(recipe, split)
        unfinished = path.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            unfinished.write_bytes(stream.getvalue())
            unfinished.replace(path)

    def clear(self) -> None:
        """Delete all cells."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, recipe: TrainingRecipe, split: Split) -> Path:
        key: Mapping[str, object] = asdict(recipe) | {
            "study": self._fingerprint,
            "train": hashlib.blake2b(split.train.tobytes()).hexdigest(),
            "seed": split.seed,
        }
        name = hashlib.blake2b(json.dumps(key, sort_keys=True).encode(), digest_size=16)
        return self._folder / f"{name.hexdigest()}.npz"
