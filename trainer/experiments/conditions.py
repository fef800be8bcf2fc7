"""Training recipes: which clips and descriptors of a training part one cell is fitted on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from trainer.experiments.families import columns_of
from trainer.experiments.splits import DOMAINS, domains_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.experiments.families import Families
    from trainer.experiments.splits import Split
    from trainer.regression.training_table import TrainingTable


@dataclass(frozen=True, slots=True)
class TrainingRecipe:
    """One way to fit on the training part of a split.

    Attributes:
        music: share of its music, in [0, 1].
        voice: share of its voices.
        sound: share of its everyday sounds.
        constant: whether these are shares of the clips of the smallest kind, so that they fix the
            total number of clips.
        shuffled: the kinds whose ratings are shuffled among their clips.
        groups: share of the groups of each corpus, in (0, 1].
        without: family of descriptors that is left out, if any.
        only: the only family of descriptors that is used, if not all.
        permuted: whether to predict also with each family permuted among the held-out clips.
        intervals: whether to compute 80 % intervals.
        values: only clips with one of these values of the grouping column; all if empty.
        as_many_as: only as many of them as there are clips with this value; all if empty.
    """

    music: float = 1.0
    voice: float = 1.0
    sound: float = 1.0
    constant: bool = False
    shuffled: tuple[str, ...] = ()
    groups: float = 1.0
    without: str = ""
    only: str = ""
    permuted: bool = False
    intervals: bool = False
    values: tuple[str, ...] = ()
    as_many_as: str = ""


JOINT: Final = TrainingRecipe(intervals=True)


def mixture(
    kind: str,
    table: TrainingTable,
    *,
    own: float,
    others: float,
    constant: bool = False,
    shuffled: bool = False,
) -> TrainingRecipe:
    """Return the recipe of a share of the clips of one kind, and a share of those of all others.

    Where the total is constant, the others divide their share equally. Equal fits have equal
    recipes, whatever experiment they are of. `shuffled` shuffles the ratings of the others.
    """
    rest = tuple(each for each in domains_of(table) if each != kind)
    if constant and rest:
        others /= len(rest)
    shares: dict[str, Any] = {kind: own, **dict.fromkeys(rest, others)}
    recipe = TrainingRecipe(**shares, constant=constant, shuffled=rest if shuffled else ())
    whole = sorted(shares.values()) in ([1.0] * len(shares), [0.0] * len(rest) + [1.0])
    return replace(recipe, intervals=whole and not constant and not shuffled)


def alone_on(kind: str, table: TrainingTable) -> TrainingRecipe:
    """Return the recipe of one kind alone; of all clips if there is only one kind."""
    return mixture(kind, table, own=1.0, others=0.0)


def rows_for(
    recipe: TrainingRecipe,
    table: TrainingTable,
    split: Split,
    grouped_by: NDArray[np.str_] | None = None,
) -> NDArray[np.intp]:
    """Choose the rows to fit on, from the training part of a split only.

    With the same seed a smaller share is a subset of a larger one, so that the points of a curve
    differ only by the added clips. `grouped_by` are the values of the grouping column, if any.
    """
    train = split.train
    if recipe.values and grouped_by is not None:
        train = _with_values(recipe, train, grouped_by, split.seed)
    if recipe.groups < 1.0:
        train = train[_in_drawn_groups(table, train, recipe.groups, split.seed)]
    counts = {kind: int((table.domain[train] == kind).sum()) for kind in domains_of(table)}
    smallest = min(counts.values())
    chosen = []
    for kind, count in counts.items():
        wanted = round(getattr(recipe, kind) * (smallest if recipe.constant else count))
        rows = train[table.domain[train] == kind]
        drawn = np.random.default_rng([split.seed, DOMAINS.index(kind)]).permutation(count)
        chosen.append(rows[drawn[:wanted]])
    return np.sort(np.concatenate(chosen))


def training_table(
    recipe: TrainingRecipe,
    table: TrainingTable,
    split: Split,
    families: Families,
    grouped_by: NDArray[np.str_] | None = None,
) -> TrainingTable:
    """Return the table that a recipe is fitted on."""
    chosen = table.subset(rows_for(recipe, table, split, grouped_by))
    if recipe.shuffled:
        chosen = _shuffled(chosen, recipe.shuffled, split.seed)
    count = table.vectors.shape[1]
    columns = columns_of(families, count, without=recipe.without, only=recipe.only)
    return chosen if columns is None else chosen.with_descriptors(columns)


def permuted(
    vectors: NDArray[np.float32], domain: NDArray[np.str_], columns: NDArray[np.intp], seed: int
) -> NDArray[np.float32]:
    """Permute some descriptors, together, among the clips of each domain."""
    rng = np.random.default_rng(seed)
    changed = vectors.copy()
    for name in np.unique(domain):
        rows = np.flatnonzero(domain == name)
        changed[np.ix_(rows, columns)] = vectors[np.ix_(rng.permutation(rows), columns)]
    return changed


def _with_values(
    recipe: TrainingRecipe, rows: NDArray[np.intp], grouped_by: NDArray[np.str_], seed: int
) -> NDArray[np.intp]:
    found = rows[np.isin(grouped_by[rows], recipe.values)]
    if not recipe.as_many_as:
        return found
    most = int((grouped_by[rows] == recipe.as_many_as).sum())
    drawn = np.random.default_rng(seed).permutation(len(found))[:most]
    return np.sort(found[drawn])


def _in_drawn_groups(
    table: TrainingTable, rows: NDArray[np.intp], share: float, seed: int
) -> NDArray[np.bool_]:
    rng = np.random.default_rng(seed)
    drawn: set[str] = set()
    for corpus in np.unique(table.corpus[rows]):
        names = np.unique(table.group[rows[table.corpus[rows] == corpus]])
        drawn |= set(names[rng.permutation(len(names))[: max(1, round(share * len(names)))]])
    return np.isin(table.group[rows], sorted(drawn))


def _shuffled(table: TrainingTable, kinds: tuple[str, ...], seed: int) -> TrainingTable:
    """Shuffle ratings and their weights within each corpus, so that its mean stays."""
    rng = np.random.default_rng(seed)
    ratings, weight = table.ratings.copy(), table.weight.copy()
    for kind in kinds:
        for corpus in np.unique(table.corpus):
            rows = np.flatnonzero((table.corpus == corpus) & (table.domain == kind))
            shuffled = rng.permutation(rows)
            ratings[rows], weight[rows] = table.ratings[shuffled], table.weight[shuffled]
    return replace(table, ratings=ratings, weight=weight)
