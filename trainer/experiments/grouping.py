"""The grouping column of the cross-cultural experiment: which clips have which value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from trainer.corpora.corpus_store import CorpusManifest
from trainer.experiments.splits import FEWEST_CLIPS
from trainer.trainer_errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from trainer.corpora.rated_clip import CorpusError
    from trainer.regression.training_table import TrainingTable

BUILT_IN: Final[Mapping[str, str]] = {"corpus": "corpus", "kind": "domain"}
"""Columns that every table has, by the name of its attribute."""

MOST_TESTED: Final = 8
"""Most values: each is fitted alone and left out, on every fold."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """A column that divides the clips.

    Attributes:
        column: its name.
        values: of each clip, shape (clips,); "" where there is none.
        tested: the values with enough clips, in order.
    """

    column: str
    values: NDArray[np.str_]
    tested: tuple[str, ...]

    @property
    def known(self) -> tuple[str, ...]:
        """All values, in order."""
        return tuple(each for each in np.unique(self.values).tolist() if each)


def values_of(
    column: str, table: TrainingTable, manifests: Mapping[str, CorpusManifest | CorpusError]
) -> NDArray[np.str_]:
    """Return the value of each clip of a whole table, shape (clips,); "" where there is none.

    The column is `corpus`, `kind`, or one of the imported corpora.

    Raises:
        TrainingError: there is no such column.
    """
    if column in BUILT_IN:
        built_in: NDArray[np.str_] = getattr(table, BUILT_IN[column])
        return built_in
    usable = {
        name: manifest
        for name, manifest in manifests.items()
        if isinstance(manifest, CorpusManifest)
        and manifest.clips == (table.corpus == name).sum()
        and all(len(each) == manifest.clips for each in manifest.groupings.values())
    }
    named = {name for manifest in usable.values() for name in manifest.groupings}
    if column not in named:
        there = ", ".join([*BUILT_IN, *sorted(named)])
        raise TrainingError(
            f"no corpus has a grouping column {column}; there are {there} (a column of a manifest "
            "is kept if it has from 2 to 50 values)"
        )
    values = np.full(len(table), "", dtype=object)
    for name, manifest in usable.items():
        if column in manifest.groupings:
            # An imported corpus stands in the table as it was imported, in one piece.
            values[table.corpus == name] = manifest.groupings[column]
    return values.astype(np.str_)


def grouping_of(
    column: str, values: NDArray[np.str_], table: TrainingTable, folds: int
) -> Grouping:
    """Return the grouping by the values of a column, shape (clips,).

    A value is tested if it has enough clips, in a group for each fold at least.

    Raises:
        TrainingError: not two to eight of the values can be tested.
    """
    tested = []
    for value in np.unique(values[values != ""]).tolist():
        rows = values == value
        if rows.sum() >= FEWEST_CLIPS and len(np.unique(table.group[rows])) >= folds:
            tested.append(value)
    if not 2 <= len(tested) <= MOST_TESTED:  # noqa: PLR2004 - one value has no others
        raise TrainingError(
            f"column {column}: {len(tested)} values have at least {FEWEST_CLIPS} rated clips in "
            f"{folds} groups; from 2 to {MOST_TESTED} can be compared; choose another --by"
        )
    return Grouping(column, values, tuple(tested))
