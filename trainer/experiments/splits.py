"""Splits for cross-validation: folds stratified by rating, that never split a group.

Simonetta, Certo and Ntalampiras (2024) stratify their folds by Ward clusters of the two ratings,
which may put clips of one group into training and test parts. Here groups are never split, and
clusters are spread as evenly as that allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from trainer.regression.folds import grouped_folds
from trainer.regression.kind_kernel import KINDS
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from trainer.experiments.grouping import Grouping
    from trainer.regression.training_table import TrainingTable

DOMAINS: Final = KINDS

FEWEST_CLIPS: Final = 30
"""Fewest rated clips of a kind, or with a value of a grouping column."""

_INNER_FOLDS: Final = 3
_MOST_CLUSTERS: Final = 8
# Ward's method stores all pairs of clips: 64 MB here.
_CLUSTERED_AT_ONCE: Final = 4000


@dataclass(frozen=True, slots=True)
class Split:
    """One fold of one repeat: the rows of its training and test parts.

    `seed` is that of all random choices in this split.
    """

    repeat: int
    fold: int
    seed: int
    train: NDArray[np.intp]
    test: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SplitProtocol:
    """The number of folds, how often they are drawn, and the seed."""

    folds: int = 5
    repeats: int = 3
    seed: int = 20240229

    def splits(self, table: TrainingTable, grouping: Grouping | None = None) -> list[Split]:
        """Return every fold of every repeat.

        With a grouping, each fold has clips with each of its tested values.

        Raises:
            TrainingError: a kind has too few clips or groups for so many folds, or a value.
        """
        check_enough(table, self.folds)
        splits = []
        for repeat in range(self.repeats):
            fold_of = stratified_folds(table, self.folds, self.seed + repeat, grouping)
            _check_full("groups of", table.domain, domains_of(table), fold_of, self.folds)
            if grouping is not None:
                named = f"groups whose {grouping.column} is"
                _check_full(named, grouping.values, grouping.tested, fold_of, self.folds)
            splits += [
                Split(
                    repeat=repeat,
                    fold=fold,
                    seed=self.seed + 1000 * repeat + fold,
                    train=np.flatnonzero(fold_of != fold),
                    test=np.flatnonzero(fold_of == fold),
                )
                for fold in range(self.folds)
            ]
        return splits


def domains_of(table: TrainingTable) -> tuple[str, ...]:
    """Return the kinds of a table's clips."""
    return tuple(domain for domain in DOMAINS if (table.domain == domain).any())


def check_enough(table: TrainingTable, folds: int) -> None:
    """Check that a table can be split.

    Raises:
        TrainingError: it is empty, or a kind has too few clips or groups.
    """
    if not len(table):
        raise TrainingError("no rated clips to evaluate on; import some: valenced corpus add")
    for domain in domains_of(table):
        rows = table.domain == domain
        clips, groups = int(rows.sum()), len(np.unique(table.group[rows]))
        if clips < FEWEST_CLIPS or groups < folds:
            raise TrainingError(
                f"{clips} rated clips of {domain} in {groups} groups are too few for {folds} "
                f"folds: at least {FEWEST_CLIPS} in {folds} groups are needed; add a corpus"
            )


def rating_clusters(
    ratings: NDArray[np.float64], clusters: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Cluster ratings of shape (clips, 2) by Ward's method (JASA 58, 1963); return labels from 0.

    Beyond 4,000 clips a random 4,000 are clustered, and the others join the nearest centre.
    """
    if clusters < 2 or len(ratings) <= clusters:  # noqa: PLR2004 - one cluster needs no search
        return np.zeros(len(ratings), dtype=np.intp)
    sample = ratings
    if len(ratings) > _CLUSTERED_AT_ONCE:
        sample = ratings[rng.choice(len(ratings), _CLUSTERED_AT_ONCE, replace=False)]
    labels = fcluster(linkage(sample, method="ward"), clusters, criterion="maxclust")
    if len(sample) == len(ratings):
        own: NDArray[np.intp] = labels.astype(np.intp) - 1
        return own
    centres = np.stack([sample[labels == label].mean(axis=0) for label in np.unique(labels)])
    distances = np.square(ratings[:, None] - centres).sum(axis=2)
    nearest: NDArray[np.intp] = np.argmin(distances, axis=1)
    return nearest


def stratified_folds(
    table: TrainingTable, folds: int, seed: int, grouping: Grouping | None = None
) -> NDArray[np.intp]:
    """Assign every clip to a fold, without splitting groups; spread clusters and corpora evenly.

    So are the tested values of a grouping.

    Groups are assigned one by one, large ones first and in random order among those of similar
    size, each to the fold where the counts of clusters and corpora stay most even (squared
    deviations, each count relative to its total).

    Returns:
        The fold of each clip, shape (clips,), from 0 to folds - 1.
    """
    rng = np.random.default_rng(seed)
    labels = _strata(table, folds, rng)
    if grouping is not None:
        columns = [grouping.values == value for value in grouping.tested]
        labels = np.column_stack([labels, *columns])
    names, member = np.unique(table.group, return_inverse=True)
    counts = np.zeros((len(names), labels.shape[1]))
    np.add.at(counts, member, labels)
    shares = counts / counts.sum(axis=0)
    sizes = np.floor(np.log2(np.bincount(member)))
    filled = np.zeros((folds, labels.shape[1]))
    fold_of_group = np.empty(len(names), dtype=np.intp)
    for group in np.lexsort((rng.random(len(names)), -sizes)):
        # Apart from a constant, the squared deviation grows by twice this product.
        growth = filled @ shares[group]
        best = np.flatnonzero(growth <= growth.min() + 1e-12)
        chosen = best[rng.integers(len(best))]
        fold_of_group[group] = chosen
        filled[chosen] += shares[group]
    return fold_of_group[member]


def inner_splits(
    table: TrainingTable, seed: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the training and the test rows of each inner fold.

    A table with one group is split by clips, since settings could not be tuned otherwise.

    Raises:
        TrainingError: there is only one clip.
    """
    folds = grouped_folds(table.corpus, table.group, _INNER_FOLDS, seed)
    if len(np.unique(folds)) == 1:
        if len(table) == 1:
            raise TrainingError("one rated clip is left in a training part; add a corpus")
        folds = np.arange(len(table)) % _INNER_FOLDS
    for fold in np.unique(folds):
        yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)


def _strata(table: TrainingTable, folds: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the indicator of each stratum, shape (clips, strata)."""
    columns = []
    for domain in domains_of(table):
        rows = np.flatnonzero(table.domain == domain)
        groups = len(np.unique(table.group[rows]))
        found = rating_clusters(table.ratings[rows], min(_MOST_CLUSTERS, groups // folds), rng)
        columns += [
            np.isin(np.arange(len(table)), rows[found == label]) for label in np.unique(found)
        ]
        columns += [
            (table.corpus == corpus) & (table.domain == domain)
            for corpus in np.unique(table.corpus[rows])
        ]
    return np.stack(columns, axis=1).astype(np.float64)


def _check_full(
    named: str,
    labels: NDArray[np.str_],
    names: tuple[str, ...],
    fold_of: NDArray[np.intp],
    folds: int,
) -> None:
    for name in names:
        filled = len(np.unique(fold_of[labels == name]))
        if filled < folds:
            raise TrainingError(
                f"the {named} {name} are too unequal for {folds} folds: {filled} can be "
                "filled; choose fewer --folds"
            )
