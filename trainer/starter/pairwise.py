"""Pairwise accuracy: how often predictions order two sounds as listeners did."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from trainer.corpora.data_sets.sonancia import CORPUS, bradley_terry, cluster_of, read_comparisons
from trainer.corpora.rated_clip import CorpusError
from trainer.evaluation.scores import RESAMPLES, Estimate
from trainer.regression.kind_kernel import DIMENSIONS
from trainer.starter.markdown import markdown_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable


def pair_accuracy(
    pairs: Sequence[tuple[str, str]],
    predicted: Mapping[str, float],
    group_of: Mapping[str, str],
    seed: int,
) -> Estimate:
    """Return the share of correctly ordered pairs, with its 95 % bootstrap interval.

    Groups of sounds are resampled, because the comparisons of one sound are not independent; the
    weight of a pair is the product of the counts of its groups. A tie is half correct. Pairs begin
    with the preferred name.
    """
    names = sorted(set(group_of.values()))
    number = {name: i for i, name in enumerate(names)}
    first, second = (
        np.array([number[group_of[pair[side]]] for pair in pairs], dtype=np.intp) for side in (0, 1)
    )
    difference = np.array([predicted[a] - predicted[b] for a, b in pairs])
    correct = np.where(difference == 0, 0.5, difference > 0)
    rng = np.random.default_rng(seed)
    shares = []
    for _ in range(RESAMPLES):
        times = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        weight = np.where(first == second, times[first], times[first] * times[second])
        if weight.any():
            shares.append(float(np.average(correct, weights=weight)))
    low, high = np.quantile(shares, [0.025, 0.975])
    return Estimate(float(correct.mean()), float(low), float(high))


def pairs_text(
    table: TrainingTable, methods: Mapping[str, NDArray[np.float64]], corpora_dir: Path, seed: int
) -> str:
    """Return the pairwise accuracy on Sonancia's comparisons as a Markdown table.

    `methods` are predictions of all clips of the table, shape (clips, 2). The last column is the
    accuracy of the strengths that were fitted to these comparisons: as listeners contradict
    themselves and each other, no order agrees with all.

    Raises:
        CorpusError: the comparisons cannot be read, or are of other sounds.
    """
    rows = np.flatnonzero(table.corpus == CORPUS)
    names = [PurePosixPath(path).stem for path in table.path[rows].tolist()]
    groups = {name: cluster_of(name) for name in names}
    lines = []
    for dim, dimension in enumerate(DIMENSIONS):
        comparisons = read_comparisons(corpora_dir, dimension)
        pairs = [pair for pair in comparisons if set(pair) <= groups.keys()]
        if not pairs:
            raise CorpusError(
                f"{CORPUS}: no pair of the table's sounds was compared by {dimension}"
            )
        values = [
            *(dict(zip(names, way[rows, dim].tolist(), strict=True)) for way in methods.values()),
            bradley_terry(pairs),
        ]
        found = [pair_accuracy(pairs, each, groups, seed) for each in values]
        cells = [f"{each.value:.2f} [{each.low:.2f}, {each.high:.2f}]" for each in found]
        lines.append((dimension, str(len(pairs)), *cells))
    return markdown_table(("dimension", "pairs", *methods, "fitted to them"), lines)
