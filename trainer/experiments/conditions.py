"""What is fitted on in one cell of an experiment, and how that is drawn from a training part."""

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
        constant: whether both are shares of the clips of the smaller domain, so that the two
            shares together say how many clips there are.
        shuffled: the domain whose ratings are dealt out anew among its clips, if any.
        groups: share of the groups of each corpus, in (0, 1].
        without: family of descriptors that is left out, if any.
        only: family of descriptors that is left, if not all.
        permuted: whether the fit is also asked with each family permuted among the held-out clips.
        intervals: whether 80 % intervals are wanted.
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
    """Return the recipe of a mixture, equal to what another experiment fits where that is so."""
    recipe = TrainingRecipe(sound=sound, music=music)
    whole = replace(recipe, intervals=True)
    return whole if whole in {JOINT, MUSIC_ALONE, SOUND_ALONE} else recipe


def alone_on(domain: str, table: TrainingTable) -> TrainingRecipe:
    """Return the recipe of one domain alone; all there is, where there is no other."""
    if len(domains_of(table)) == 1:
        return JOINT
    return MUSIC_ALONE if domain == "music" else SOUND_ALONE


def rows_for(recipe: TrainingRecipe, table: TrainingTable, split: Split) -> NDArray[np.intp]:
    """Choose the rows to fit on, from the training part of a split alone.

    The same seed draws a smaller share from a larger one, so that a curve's points differ by what
    was added and by nothing else.
    """
    known = split.known
    if recipe.groups < 1.0:
        known = known[_of_drawn_groups(table, known, recipe.groups, split.seed)]
    counts = {domain: int((table.domain[known] == domain).sum()) for domain in DOMAINS}
    smaller = min(counts.values())
    chosen = []
    for place, domain in enumerate(DOMAINS):
        share = recipe.music if domain == "music" else recipe.sound
        wanted = round(share * (smaller if recipe.constant else counts[domain]))
        rows = known[table.domain[known] == domain]
        drawn = np.random.default_rng([split.seed, place]).permutation(len(rows))
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
    """Exchange some descriptors among the clips of each domain, whole rows of them together."""
    drawing = np.random.default_rng(seed)
    changed = vectors.copy()
    for name in np.unique(domain):
        rows = np.flatnonzero(domain == name)
        changed[np.ix_(rows, columns)] = vectors[np.ix_(drawing.permutation(rows), columns)]
    return changed


def _of_drawn_groups(
    table: TrainingTable, known: NDArray[np.intp], share: float, seed: int
) -> NDArray[np.bool_]:
    drawing = np.random.default_rng(seed)
    kept: set[str] = set()
    for corpus in np.unique(table.corpus[known]):
        names = np.unique(table.group[known[table.corpus[known] == corpus]])
        kept |= set(names[drawing.permutation(len(names))[: max(1, round(share * len(names)))]])
    return np.isin(table.group[known], sorted(kept))


def _shuffled(table: TrainingTable, domain: str, seed: int) -> TrainingTable:
    """Deal out ratings and their weights anew, within each corpus so that its mean stays."""
    drawing = np.random.default_rng(seed)
    ratings, weight = table.ratings.copy(), table.weight.copy()
    for corpus in np.unique(table.corpus):
        rows = np.flatnonzero((table.corpus == corpus) & (table.domain == domain))
        dealt = drawing.permutation(rows)
        ratings[rows], weight[rows] = table.ratings[dealt], table.weight[dealt]
    return replace(table, ratings=ratings, weight=weight)
