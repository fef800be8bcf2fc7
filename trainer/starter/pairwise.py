"""How often predictions order two sounds as those who compared them did."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from trainer.corpora.data_sets.sonancia import CORPUS, bradley_terry, cluster_of, read_comparisons
from trainer.corpora.rated_clip import CorpusError
from trainer.evaluation.scores import RESAMPLES, Estimate
from trainer.regression.kernel_expert import DIMENSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable


def pair_accuracy(
    pairs: Sequence[tuple[str, str]],
    said: Mapping[str, float],
    group_of: Mapping[str, str],
    seed: int,
) -> Estimate:
    """Return the share of pairs whose first stands higher, with its 95 % bootstrap interval.

    Groups of sounds are drawn anew, and a pair comes as often as its sounds' groups do together,
    because the comparisons of one sound are not independent. A tie is half right.

    Args:
        pairs: names, the preferred one first.
        said: what is predicted of each.
        group_of: the group of each.
        seed: of the drawing.
    """
    names = sorted(set(group_of.values()))
    place = {name: number for number, name in enumerate(names)}
    first, second = (
        np.array([place[group_of[pair[side]]] for pair in pairs], dtype=np.intp) for side in (0, 1)
    )
    gap = np.array([said[a] - said[b] for a, b in pairs])
    right = np.where(gap == 0, 0.5, gap > 0)
    drawing = np.random.default_rng(seed)
    shares = []
    for _ in range(RESAMPLES):
        times = np.bincount(drawing.integers(0, len(names), len(names)), minlength=len(names))
        weight = np.where(first == second, times[first], times[first] * times[second])
        if weight.any():
            shares.append(float(np.average(right, weights=weight)))
    low, high = np.quantile(shares, [0.025, 0.975])
    return Estimate(float(right.mean()), float(low), float(high))


def pairs_text(
    table: TrainingTable, ways: Mapping[str, NDArray[np.float64]], corpora_dir: Path, seed: int
) -> str:
    """Return how Sonancia's comparisons are met, as a Markdown table.

    The last column is what the places themselves reach that were fitted to these comparisons: who
    contradicts himself or others cannot be met by any order.

    Args:
        table: with the sounds of Sonancia.
        ways: what each way predicts of all clips of the table, shape (clips, 2), by its name.
        corpora_dir: holds the comparisons.
        seed: of the intervals.

    Raises:
        CorpusError: the comparisons cannot be read, or are of other sounds.
    """
    rows = np.flatnonzero(table.corpus == CORPUS)
    names = [PurePosixPath(path).stem for path in table.path[rows].tolist()]
    groups = {name: cluster_of(name) for name in names}
    lines = [
        f"| dimension | pairs | {' | '.join(ways)} | fitted to them |",
        f"| --- |{' --- |' * (len(ways) + 2)}",
    ]
    for dim, dimension in enumerate(DIMENSIONS):
        compared = read_comparisons(corpora_dir, dimension)
        pairs = [pair for pair in compared if set(pair) <= groups.keys()]
        if not pairs:
            raise CorpusError(
                f"{CORPUS}: no two of the table's sounds were compared by {dimension}"
            )
        said = [dict(zip(names, way[rows, dim].tolist(), strict=True)) for way in ways.values()]
        found = [pair_accuracy(pairs, each, groups, seed) for each in (*said, bradley_terry(pairs))]
        cells = [f"{each.value:.2f} [{each.low:.2f}, {each.high:.2f}]" for each in found]
        lines.append(f"| {dimension} | {len(pairs)} | {' | '.join(cells)} |")
    return "\n".join(lines)
