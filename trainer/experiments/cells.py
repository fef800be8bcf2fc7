"""Fitting every cell of a plan: once each, some at a time, and kept until the report is written."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import warnings
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from trainer.bundles.bundle_manifest import library_versions
from trainer.experiments.conditions import permuted, training_table
from trainer.experiments.families import columns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.experiments.conditions import TrainingRecipe
    from trainer.experiments.families import Families
    from trainer.experiments.fitting import Fitting
    from trainer.experiments.splits import Split
    from trainer.regression.training_table import TrainingTable

_COLUMNS: Final = ("music", "sound")


@dataclass(frozen=True, slots=True)
class CellResult:
    """What one fit says of the clips that were held out in its split.

    Attributes:
        affect: shape (clips asked, 2).
        low: lower ends of the 80 % intervals, the same shape; not a number where none were wanted.
        high: upper ends.
        permuted: with each family permuted, shape (families, clips asked, 2); no family if that was
            not wanted.
        fitted_on: clips it was fitted on.
    """

    affect: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    permuted: NDArray[np.float64]
    fitted_on: int


@dataclass(frozen=True, slots=True)
class Study:
    """What is evaluated, and how.

    Attributes:
        table: rated clips.
        splits: of them.
        fitting: what is fitted.
        families: columns of each family of descriptors.
    """

    table: TrainingTable
    splits: Sequence[Split]
    fitting: Fitting
    families: Families

    def answer(self, recipe: TrainingRecipe, split: Split) -> CellResult:
        """Fit one cell, and ask it of everything that was held out.

        Raises:
            TrainingError: the part has too few clips to fit on.
        """
        known = training_table(recipe, self.table, split, self.families)
        fitted = self.fitting.fit(known, intervals=recipe.intervals, seed=split.seed)
        count = self.table.vectors.shape[1]
        columns = columns_of(self.families, count, without=recipe.without, only=recipe.only)
        vectors = self.table.vectors[split.asked]
        said = fitted.say(vectors if columns is None else vectors[:, columns])
        nothing = np.full(said.affect.shape, np.nan)
        return CellResult(
            affect=said.affect,
            low=nothing if said.low is None else said.low,
            high=nothing if said.high is None else said.high,
            permuted=np.array(
                [
                    fitted.say(
                        permuted(vectors, self.table.domain[split.asked], own, split.seed)
                    ).affect
                    for own in (self.families.values() if recipe.permuted else ())
                ]
            ).reshape(-1, *said.affect.shape),
            fitted_on=len(known),
        )

    @property
    def fingerprint(self) -> str:
        """A digest of all that an answer depends on but its recipe and split."""
        digest = hashlib.blake2b(digest_size=16)
        table = self.table
        for array in (
            table.vectors,
            table.ratings,
            table.weight,
            table.steadiness,
            table.is_harmony,
        ):
            digest.update(np.ascontiguousarray(array).tobytes())
        for texts in (table.corpus, table.domain, table.follows, table.group):
            digest.update("\0".join(texts.tolist()).encode(errors="surrogatepass"))
        families = {name: columns.tolist() for name, columns in self.families.items()}
        said = [self.fitting.regression, dict(self.fitting.settings), families, library_versions()]
        digest.update(json.dumps(said, sort_keys=True).encode())
        return digest.hexdigest()


def run(
    study: Study,
    recipes: Iterable[TrainingRecipe],
    *,
    store: CellStore,
    jobs: int,
    progress: Callable[[int, int], None],
) -> dict[TrainingRecipe, list[CellResult]]:
    """Fit every recipe on every split.

    Args:
        study: what is evaluated.
        recipes: each is fitted once, however often it is named.
        store: finds and takes finished cells.
        jobs: how many at a time.
        progress: called with the number of cells done and of all.

    Returns:
        For each recipe its answers, in the order of the splits.

    Raises:
        TrainingError: a part has too few clips to fit on.
    """
    wanted = list(dict.fromkeys(recipes))
    cells = [(recipe, place) for recipe in wanted for place in range(len(study.splits))]
    found: dict[tuple[TrainingRecipe, int], CellResult] = {}
    progress(0, len(cells))
    for (recipe, place), answer in _answers(study, cells, store, jobs):
        found[recipe, place] = answer
        progress(len(found), len(cells))
    places = range(len(study.splits))
    return {recipe: [found[recipe, place] for place in places] for recipe in wanted}


def _answers(
    study: Study, cells: Sequence[tuple[TrainingRecipe, int]], store: CellStore, jobs: int
) -> Iterator[tuple[tuple[TrainingRecipe, int], CellResult]]:
    def cell(key: tuple[TrainingRecipe, int]) -> tuple[tuple[TrainingRecipe, int], CellResult]:
        recipe, place = key
        split = study.splits[place]
        answer = store.find(recipe, split)
        if answer is None:
            answer = study.answer(recipe, split)
            store.put(recipe, split, answer)
        return key, answer

    # One cell is too small for the threads of linear algebra: they would only wait for each other.
    with threadpool_limits(1), warnings.catch_warnings(), ThreadPoolExecutor(jobs) as pool:
        warnings.simplefilter("ignore", ConvergenceWarning)
        running = {pool.submit(cell, key) for key in cells}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for each in done:
                    yield each.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class CellStore:
    """Finished cells on disk, so that an evaluation that was interrupted goes on.

    Args:
        folder: where; made when the first cell is finished.
        fingerprint: of the study; cells of another are not found.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._folder = folder
        self._fingerprint = fingerprint

    def find(self, recipe: TrainingRecipe, split: Split) -> CellResult | None:
        """Return the answer of a cell; None if there is none that is whole."""
        try:
            content = self._place(recipe, split).read_bytes()
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                answer = CellResult(
                    **{name: arrays[name] for name in ("affect", "low", "high", "permuted")},
                    fitted_on=int(arrays["fitted_on"]),
                )
        # What zip and numpy's header parser raise on damage is more than they document.
        except Exception:  # noqa: BLE001
            return None
        return answer if answer.affect.shape == (len(split.asked), 2) else None

    def put(self, recipe: TrainingRecipe, split: Split, answer: CellResult) -> None:
        """Keep an answer; where that cannot be done, it will be found again by fitting."""
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **asdict(answer))
        place = self._place(recipe, split)
        unfinished = place.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            unfinished.write_bytes(stream.getvalue())
            unfinished.replace(place)

    def clear(self) -> None:
        """Forget all cells."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _place(self, recipe: TrainingRecipe, split: Split) -> Path:
        said: Mapping[str, object] = asdict(recipe) | {
            "study": self._fingerprint,
            "known": hashlib.blake2b(split.known.tobytes()).hexdigest(),
            "seed": split.seed,
        }
        name = hashlib.blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=16)
        return self._folder / f"{name.hexdigest()}.npz"
