"""How clips are split: folds alike in their ratings, with groups whole.

Simonetta, Certo and Ntalampiras (2024) stratify their folds by Ward clusters of the two ratings.
Clips that belong together would then be met again in the test, so here groups are never split, and
clusters are spread as evenly as whole groups let them be.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from trainer.regression.folds import grouped_folds
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from trainer.regression.training_table import TrainingTable

DOMAINS: Final = ("music", "sound")

FEWEST_CLIPS: Final = 30
"""Rated clips a domain must have."""

_INNER_FOLDS: Final = 3
_MOST_CLUSTERS: Final = 8
# Ward's method keeps every pair of clips: 64 MB here.
_CLUSTERED_AT_ONCE: Final = 4000


@dataclass(frozen=True, slots=True)
class Split:
    """One fold of one repeat.

    Attributes:
        repeat: from 0.
        fold: from 0.
        seed: for whatever is drawn in this split.
        known: rows of the training part, shape (clips known,).
        asked: rows that are held out, shape (clips asked,).
    """

    repeat: int
    fold: int
    seed: int
    known: NDArray[np.intp]
    asked: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class SplitProtocol:
    """How often the clips are split, into how many folds, and from which seed."""

    folds: int = 5
    repeats: int = 3
    seed: int = 20240229

    def splits(self, table: TrainingTable) -> list[Split]:
        """Return every fold of every repeat.

        Raises:
            TrainingError: a domain has too few clips or groups for so many folds.
        """
        demand_enough(table, self.folds)
        splits = []
        for repeat in range(self.repeats):
            fold_of = stratified_folds(table, self.folds, self.seed + repeat)
            _demand_full(table, fold_of, self.folds)
            splits += [
                Split(
                    repeat=repeat,
                    fold=fold,
                    seed=self.seed + 1000 * repeat + fold,
                    known=np.flatnonzero(fold_of != fold),
                    asked=np.flatnonzero(fold_of == fold),
                )
                for fold in range(self.folds)
            ]
        return splits


def domains_of(table: TrainingTable) -> tuple[str, ...]:
    """Return which of the domains a table has clips of."""
    return tuple(domain for domain in DOMAINS if (table.domain == domain).any())


def demand_enough(table: TrainingTable, folds: int) -> None:
    """Refuse a table that cannot be split.

    Raises:
        TrainingError: it is empty, or a domain has too few clips or groups.
    """
    if not len(table):
        raise TrainingError("no rated clips to evaluate on; bring some in: valenced corpus add")
    for domain in domains_of(table):
        rows = table.domain == domain
        clips, groups = int(rows.sum()), len(np.unique(table.group[rows]))
        if clips < FEWEST_CLIPS or groups < folds:
            raise TrainingError(
                f"{clips} rated clips of {domain} in {groups} groups are too few for {folds} "
                f"folds: at least {FEWEST_CLIPS} in {folds} groups are needed; add a corpus"
            )


def rating_clusters(
    ratings: NDArray[np.float64], clusters: int, drawing: np.random.Generator
) -> NDArray[np.intp]:
    """Cluster pairs of ratings by Ward's method (JASA 58, 1963).

    Beyond 4,000 clips the clusters are those of 4,000 drawn ones, and the others go to the nearest
    centre.

    Args:
        ratings: shape (clips, 2).
        clusters: at most how many.
        drawing: of the clips.

    Returns:
        Shape (clips,), from 0.
    """
    if clusters < 2 or len(ratings) <= clusters:  # noqa: PLR2004 - one cluster needs no search
        return np.zeros(len(ratings), dtype=np.intp)
    few = ratings
    if len(ratings) > _CLUSTERED_AT_ONCE:
        few = ratings[drawing.choice(len(ratings), _CLUSTERED_AT_ONCE, replace=False)]
    labels = fcluster(linkage(few, method="ward"), clusters, criterion="maxclust")
    if len(few) == len(ratings):
        own: NDArray[np.intp] = labels.astype(np.intp) - 1
        return own
    centres = np.stack([few[labels == label].mean(axis=0) for label in np.unique(labels)])
    gaps = np.square(ratings[:, None] - centres).sum(axis=2)
    nearest: NDArray[np.intp] = np.argmin(gaps, axis=1)
    return nearest


def stratified_folds(table: TrainingTable, folds: int, seed: int) -> NDArray[np.intp]:
    """Put every clip into a fold: groups whole, clusters of ratings and corpora spread evenly.

    Groups are dealt out one after the other, large ones first and in a drawn order among those of
    like size, each to the fold where it leaves the counts of clusters and of corpora most even
    (squared deviations, each count relative to its total).

    Args:
        table: ratings, domains, corpora and groups.
        folds: how many.
        seed: of the order.

    Returns:
        Shape (clips,), from 0 to folds - 1.
    """
    drawing = np.random.default_rng(seed)
    labels = _strata(table, folds, drawing)
    names, member = np.unique(table.group, return_inverse=True)
    counts = np.zeros((len(names), labels.shape[1]))
    np.add.at(counts, member, labels)
    shares = counts / counts.sum(axis=0)
    sizes = np.floor(np.log2(np.bincount(member)))
    filled = np.zeros((folds, labels.shape[1]))
    fold_of_group = np.empty(len(names), dtype=np.intp)
    for group in np.lexsort((drawing.random(len(names)), -sizes)):
        # By twice what is there already, where the group brings more, the squared deviation grows.
        crowding = filled @ shares[group]
        best = np.flatnonzero(crowding <= crowding.min() + 1e-12)
        chosen = best[drawing.integers(len(best))]
        fold_of_group[group] = chosen
        filled[chosen] += shares[group]
    return fold_of_group[member]


def inner_splits(
    table: TrainingTable, seed: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the known and the held-out rows of each fold inside a training part.

    A part of one group is split by clips: it has nothing else to choose settings by.

    Raises:
        TrainingError: there is one clip only.
    """
    folds = grouped_folds(table.corpus, table.group, _INNER_FOLDS, seed)
    if len(np.unique(folds)) == 1:
        if len(table) == 1:
            raise TrainingError("one rated clip is left in a training part; add a corpus")
        folds = np.arange(len(table)) % _INNER_FOLDS
    for fold in np.unique(folds):
        yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)


def _strata(table: TrainingTable, folds: int, drawing: np.random.Generator) -> NDArray[np.float64]:
    """Return what is to be spread, shape (clips, strata): 1 where a clip is of a stratum."""
    columns = []
    for domain in domains_of(table):
        rows = np.flatnonzero(table.domain == domain)
        groups = len(np.unique(table.group[rows]))
        found = rating_clusters(table.ratings[rows], min(_MOST_CLUSTERS, groups // folds), drawing)
        columns += [
            np.isin(np.arange(len(table)), rows[found == label]) for label in np.unique(found)
        ]
        columns += [
            (table.corpus == corpus) & (table.domain == domain)
            for corpus in np.unique(table.corpus[rows])
        ]
    return np.stack(columns, axis=1).astype(np.float64)


def _demand_full(table: TrainingTable, fold_of: NDArray[np.intp], folds: int) -> None:
    for domain in domains_of(table):
        filled = len(np.unique(fold_of[table.domain == domain]))
        if filled < folds:
            raise TrainingError(
                f"the groups of {domain} are too unequal for {folds} folds: {filled} can be "
                "filled; choose fewer --folds"
            )
