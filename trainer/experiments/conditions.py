"""Training recipes: which clips and descriptors of a training part one cell is fitted on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

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
        sound: share of its sounds, in [0, 1].
        music: share of its music.
        constant: whether both are shares of the clips of the smaller domain, so that they fix the
            total number of clips.
        shuffled: the domain whose ratings are shuffled among its clips, if any.
        groups: share of the groups of each corpus, in (0, 1].
        without: family of descriptors that is left out, if any.
        only: the only family of descriptors that is used, if not all.
        permuted: whether to predict also with each family permuted among the held-out clips.
        intervals: whether to compute 80 % intervals.
    """

    sound: float = 1.0
    music: float = 1.0
    constant: bool = False
    shuffled: Literal["", "music", "sound"] = ""
    groups: float = 1.0
    without: str = ""
    only: str = ""
    permuted: bool = False
    intervals: bool = False


JOINT: Final = TrainingRecipe(intervals=True)
MUSIC_ALONE: Final = TrainingRecipe(sound=0.0, intervals=True)
SOUND_ALONE: Final = TrainingRecipe(music=0.0, intervals=True)


def mixture(sound: float, music: float) -> TrainingRecipe:
    """Return the recipe of a mixture; the same object as in other experiments where it is equal."""
    recipe = TrainingRecipe(sound=sound, music=music)
    shared = replace(recipe, intervals=True)
    return shared if shared in {JOINT, MUSIC_ALONE, SOUND_ALONE} else recipe


def alone_on(domain: str, table: TrainingTable) -> TrainingRecipe:
    """Return the recipe of one domain alone; of all clips if there is only one domain."""
    if len(domains_of(table)) == 1:
        return JOINT
    return MUSIC_ALONE if domain == "music" else SOUND_ALONE


def rows_for(recipe: TrainingRecipe, table: TrainingTable, split: Split) -> NDArray[np.intp]:
    """Choose the rows to fit on, from the training part of a split only.

    With the same seed a smaller share is a subset of a larger one, so that the points of a curve
    differ only by the added clips.
    """
    train = split.train
    if recipe.groups < 1.0:
        train = train[_in_drawn_groups(table, train, recipe.groups, split.seed)]
    counts = {domain: int((table.domain[train] == domain).sum()) for domain in DOMAINS}
    smaller = min(counts.values())
    chosen = []
    for number, domain in enumerate(DOMAINS):
        share = recipe.music if domain == "music" else recipe.sound
        wanted = round(share * (smaller if recipe.constant else counts[domain]))
        rows = train[table.domain[train] == domain]
        drawn = np.random.default_rng([split.seed, number]).permutation(len(rows))
        chosen.append(rows[drawn[:wanted]])
    return np.sort(np.concatenate(chosen))


def training_table(
    recipe: TrainingRecipe, table: TrainingTable, split: Split, families: Families
) -> TrainingTable:
    """Return the table that a recipe is fitted on."""
    chosen = table.subset(rows_for(recipe, table, split))
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


def _in_drawn_groups(
    table: TrainingTable, rows: NDArray[np.intp], share: float, seed: int
) -> NDArray[np.bool_]:
    rng = np.random.default_rng(seed)
    drawn: set[str] = set()
    for corpus in np.unique(table.corpus[rows]):
        names = np.unique(table.group[rows[table.corpus[rows] == corpus]])
        drawn |= set(names[rng.permutation(len(names))[: max(1, round(share * len(names)))]])
    return np.isin(table.group[rows], sorted(drawn))


def _shuffled(table: TrainingTable, domain: str, seed: int) -> TrainingTable:
    """Shuffle ratings and their weights within each corpus, so that its mean stays."""
    rng = np.random.default_rng(seed)
    ratings, weight = table.ratings.copy(), table.weight.copy()
    for corpus in np.unique(table.corpus):
        rows = np.flatnonzero((table.corpus == corpus) & (table.domain == domain))
        shuffled = rng.permutation(rows)
        ratings[rows], weight[rows] = table.ratings[shuffled], table.weight[shuffled]
    return replace(table, ratings=ratings, weight=weight)
