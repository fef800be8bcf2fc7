"""Fits the regression on 20,000 rated clips, and measures what its approximation loses.

    python -m bench.speed.many_ratings [--clips 20000] [--sizes 1000,3000,5000]

The clips are made from those of the shipped table. A fifth of its groups is kept aside. A made clip
lies between two of the other clips of one corpus, chosen at random, at a random place, in
descriptors and in ratings; then each descriptor is multiplied by noise of 5 %, and each rating gets
noise of .1. Everything but the shipped clips counts as imported, so it does not set the scale.

Printed are, for 1,000, 5,000 and all of them, the time, the processor seconds divided by the number
of cores (the time on an idle machine) and the peak memory so far: of one fit, of a fit with
intervals, which is what a bundle is fitted by, and of the cross-validation that `valenced train`
adds. Then, at sizes where both can be done, the R2 on the clips kept aside of the exact fit, of one
spanned by the usual number of clips, and of one spanned by as small a share as that is of the large
table; and the same at full size, without the exact fit.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from trainer.bundles.bundle import SHIPPED, TABLE
from trainer.evaluation.cross_validation import cross_validate
from trainer.evaluation.scores import r2
from trainer.features.vector_codec import rounded
from trainer.regression.affect_regressor import MOST_ROWS, AffectRegressor
from trainer.regression.folds import grouped_folds
from trainer.regression.joint import JointRegression
from trainer.regression.kind_kernel import KINDS
from trainer.regression.training_table import TrainingTable, decode_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CORES = len(os.sched_getaffinity(0))
SEED = 20240229
FOLDS = 5
NOISE = 0.05
RATING_NOISE = 0.1
BLOCK = 1000
COSTED = (1000, 5000)
MOST_EXACT = 5000
"""Most clips that span a kernel here."""


class SpannedRegressor(AffectRegressor):
    """The regression with a kernel that is spanned by another number of clips."""

    def spanned_by(self, most_rows: int) -> SpannedRegressor:
        """Sets the number."""
        self.most_rows_ = most_rows
        return self

    def _spanning(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        drawn = np.random.default_rng(self.seed).permutation(rows)[: self.most_rows_]
        return np.sort(drawn)


def enlarged(table: TrainingTable, clips: int) -> TrainingTable:
    """Returns a table of so many clips: its own, then made ones."""
    rng = np.random.default_rng(SEED)
    first = rng.integers(0, len(table), max(0, clips - len(table)))
    second = np.empty_like(first)
    for corpus in np.unique(table.corpus):
        own = np.flatnonzero(table.corpus == corpus)
        wanted = table.corpus[first] == corpus
        second[wanted] = rng.choice(own, wanted.sum())
    place = rng.uniform(0.0, 1.0, len(first))
    vectors = np.empty((len(table) + len(first), table.vectors.shape[1]), dtype=np.float32)
    vectors[: len(table)] = table.vectors
    for start in range(0, len(first), BLOCK):
        a, b = first[start : start + BLOCK], second[start : start + BLOCK]
        share = place[start : start + BLOCK, None].astype(np.float32)
        mixed: NDArray[np.float32] = table.vectors[a] * (1 - share) + table.vectors[b] * share
        noise = rng.normal(1.0, NOISE, mixed.shape).astype(np.float32)
        vectors[len(table) + start :][: len(a)] = rounded(mixed * noise)
    ratings = table.ratings[first] * (1 - place[:, None]) + table.ratings[second] * place[:, None]
    ratings = np.clip(ratings + rng.normal(0.0, RATING_NOISE, ratings.shape), -1.0, 1.0)
    made = replace(table.subset(first), vectors=vectors[len(table) :], ratings=ratings)
    columns = {
        name: np.concatenate([getattr(table, name), getattr(made, name)])
        for name in ("ratings", "weight", "path", "corpus", "domain", "group")
    }
    is_shipped = np.arange(len(vectors)) < len(table)
    return replace(table, **columns, vectors=vectors, sets_scale=is_shipped & table.sets_scale[0])


def timed(name: str, run: Callable[[], object]) -> None:
    """Runs something, and prints a row of what it used."""
    began_s, used_s = time.monotonic(), time.process_time()
    run()
    clock_s, own_s = time.monotonic() - began_s, time.process_time() - used_s
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {name} | {clock_s:.0f} | {own_s / CORES:.0f} | {peak:.0f} |", flush=True)


def costs(table: TrainingTable) -> None:
    """Prints what fitting and cross-validating a table take."""
    timed(f"{len(table)}, one fit", lambda: JointRegression().fit_kernel(table))
    timed(f"{len(table)}, with intervals", lambda: JointRegression().fit(table))
    timed(f"{len(table)}, cross-validated", lambda: cross_validate(table, JointRegression(), SEED))


def score(known: TrainingTable, aside: TrainingTable, most_rows: int) -> tuple[list[float], float]:
    """Returns R2 of each kind and dimension of the clips aside, and the processor seconds."""
    used_s = time.process_time()
    estimator = SpannedRegressor(steadiness=known.steadiness, is_harmony=known.is_harmony)
    fitted = estimator.spanned_by(most_rows).fit(
        known.vectors,
        known.ratings,
        known.weight,
        kind=known.domain,
        corpus=known.corpus,
        sets_scale=known.sets_scale,
    )
    used_s = time.process_time() - used_s
    predicted = fitted.predict(aside.vectors)
    scores = [
        r2(aside.ratings[aside.domain == kind, dim], predicted[aside.domain == kind, dim])
        for kind in KINDS
        for dim in (0, 1)
    ]
    return scores, used_s


def main() -> None:
    """Runs the measurement."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--sizes", default="1000,3000,5000", help="at which to fit exactly, too")
    chosen = parser.parse_args()
    shipped = decode_table((SHIPPED / TABLE).read_bytes(), "the starter")
    out = grouped_folds(shipped.corpus, shipped.group, FOLDS, SEED) == 0
    aside, known = shipped.subset(out), shipped.subset(~out)
    many = enlarged(known, chosen.clips)
    print(f"{len(many)} clips, {len(known)} of them shipped; load {os.getloadavg()[0]:.1f}\n")
    drawn = np.random.default_rng(SEED).permutation(len(many))
    print(f"| | s | processor s / {CORES} | MiB |\n| --- | --- | --- | --- |", flush=True)
    for size in (*(each for each in COSTED if each < len(many)), len(many)):
        costs(many.subset(drawn[:size]))
    heads = " | ".join(f"{kind}, {name}" for kind in KINDS for name in ("arousal", "valence"))
    print(f"\n| clips | spanned by | {heads} | processor s / {CORES} |")
    print("| --- " * 9 + "|", flush=True)
    for size in (*map(int, chosen.sizes.split(",")), len(many)):
        some = many.subset(drawn[:size])
        least = size * MOST_ROWS // len(many)
        for rows in sorted({min(size, MOST_EXACT), min(MOST_ROWS, size), least})[::-1]:
            scores, used_s = score(some, aside, rows)
            shown = " | ".join(f"{each:.3f}" for each in scores)
            print(f"| {size} | {rows} | {shown} | {used_s / CORES:.0f} |", flush=True)


if __name__ == "__main__":
    main()
