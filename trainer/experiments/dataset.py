"""The data set of the experiments: the published bundle's training table and imported corpora."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from trainer.bundles import registry
from trainer.bundles.bundle import TABLE, read_bundle
from trainer.corpora.corpus_store import CorpusStore
from trainer.corpora.repeated_clips import repeated_clips
from trainer.features.extract import CANONICAL
from trainer.regression.training_table import decode_table
from trainer.retraining.refit import join_tables
from trainer.trainer_errors import BundleMissing, BundleOutdated, TrainingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trainer.bundles.bundle_manifest import Manifest
    from trainer.corpora.repeated_clips import RepeatedClip
    from trainer.regression.training_table import TrainingTable


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rated clips, the manifest of the evaluated bundle, and why some corpora cannot be used.

    `repeated` are the clips whose sound occurs before them in the table; both share a group.
    """

    table: TrainingTable
    manifest: Manifest
    problems: list[str]
    repeated: list[RepeatedClip]


def load_dataset(registry_dir: Path, corpora_dir: Path, names: Sequence[str] = ()) -> Dataset:
    """Join the clips of the published bundle, or of the shipped one, and of the imported corpora.

    `names` are those of the wanted corpora; all if empty.

    Raises:
        TrainingError: there is no corpus of such a name, or its features have other settings.
        BundleError: the published bundle cannot be used.
    """
    directory, guarded = _bundle(registry_dir)
    manifest, content = read_bundle(directory, guarded=guarded)
    own = decode_table(content[TABLE], str(directory))
    imported, problems = CorpusStore(corpora_dir).tables(CANONICAL.key)
    table, _, same = join_tables(own, [each for each in imported if len(each)])
    there = sorted(set(table.corpus.tolist()))
    for name in names:
        if name not in there:
            raise TrainingError(
                f"{name}: no corpus of that name can be used; there are {', '.join(there)}"
            )
    if names:
        wanted = np.isin(table.corpus, names)
        table, same = table.subset(wanted), same[wanted]
    # The paper has two domains: music, and everything else.
    table = replace(table, domain=np.where(table.domain == "music", "music", "sound"))
    return Dataset(table, manifest, problems, repeated_clips(table, same))


def _bundle(registry_dir: Path) -> tuple[Path, bool]:
    """Return the bundle whose table is used, and whether its folder must be ours alone."""
    try:
        return registry.published_bundle(registry_dir), True
    except BundleMissing:
        return registry.SHIPPED, False
    except BundleOutdated:
        # Its table is as good as ever; the next start fits it again.
        current = registry.published_name(registry_dir)
        assert current is not None
        return registry_dir / current, True
