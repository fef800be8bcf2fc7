"""The data set of the experiments: the published bundle's training table and imported corpora."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trainer.bundles import registry
from trainer.bundles.bundle import SHIPPED, TABLE, read_bundle
from trainer.corpora.corpus_store import CorpusStore
from trainer.corpora.repeated_clips import repeated_clips
from trainer.experiments.grouping import Grouping, grouping_of, values_of
from trainer.experiments.splits import FEWEST_CLIPS, domains_of
from trainer.features.extract import CANONICAL
from trainer.regression.training_table import decode_table
from trainer.retraining.refit import join_tables
from trainer.trainer_errors import BundleMissing, BundleOutdated, TrainingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from trainer.bundles.bundle_manifest import Manifest
    from trainer.corpora.repeated_clips import RepeatedClip
    from trainer.regression.training_table import TrainingTable


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rated clips, the manifest of the evaluated bundle, and why some corpora cannot be used.

    `repeated` are the clips whose sound occurs before them in the table; both share a group.
    `grouping` is the column that the cross-cultural experiment compares the groups of, if any.
    """

    table: TrainingTable
    manifest: Manifest
    problems: list[str]
    repeated: list[RepeatedClip]
    grouping: Grouping | None = None


def load_dataset(
    registry_dir: Path, corpora_dir: Path, names: Sequence[str] = (), by: str = "", folds: int = 5
) -> Dataset:
    """Join the clips of the published bundle, or of the shipped one, and of the imported corpora.

    `names` are those of the wanted corpora; all if empty. `by` is the grouping column, if any,
    whose values must have groups for so many folds. Kinds of sound with too few clips or groups for
    these are left out, and told among the problems.

    Raises:
        TrainingError: there is no corpus of such a name, or its features have other settings; or
            there is no such column.
        BundleError: the published bundle cannot be used.
    """
    directory, guarded = _bundle(registry_dir)
    manifest, content = read_bundle(directory, guarded=guarded)
    own = decode_table(content[TABLE], str(directory))
    store = CorpusStore(corpora_dir)
    imported, problems = store.tables(CANONICAL.key)
    table, _, same = join_tables(own, [each for each in imported if len(each)])
    there = sorted(set(table.corpus.tolist()))
    for name in names:
        if name not in there:
            raise TrainingError(
                f"{name}: no corpus of that name can be used; there are {', '.join(there)}"
            )
    values = values_of(by, table, store.manifests()) if by else None
    chosen = np.isin(table.corpus, names) if names else np.ones(len(table), dtype=np.bool_)
    chosen[chosen], few = _kinds_to_test(table.subset(chosen), folds)
    table, same = table.subset(chosen), same[chosen]
    grouping = None if values is None else grouping_of(by, values[chosen], table, folds)
    return Dataset(table, manifest, problems + few, repeated_clips(table, same), grouping)


def _kinds_to_test(table: TrainingTable, folds: int) -> tuple[NDArray[np.bool_], list[str]]:
    """Return the clips of the kinds with enough of them, and why others are left out.

    If no kind has enough, all clips are returned, for the splits to refuse.
    """
    enough, few = np.ones(len(table), dtype=np.bool_), []
    for kind in domains_of(table):
        own = table.domain == kind
        clips, groups = int(own.sum()), len(np.unique(table.group[own]))
        if clips < FEWEST_CLIPS or groups < folds:
            enough &= ~own
            few.append(f"{clips} clips of {kind} in {groups} groups are too few for {folds} folds")
    return (enough, few) if enough.any() else (~enough, [])


def _bundle(registry_dir: Path) -> tuple[Path, bool]:
    """Return the bundle whose table is used, and whether its folder must be ours alone."""
    try:
        return registry.published_bundle(registry_dir), True
    except BundleMissing:
        return SHIPPED, False
    except BundleOutdated:
        # Its table is as good as ever; the next start fits it again.
        current = registry.published_name(registry_dir)
        assert current is not None
        return registry_dir / current, True
