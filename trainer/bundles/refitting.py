"""Fitting a bundle again whose pickle is not used, from its table, which is as good as ever."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from trainer.bundles.bundle import (
    PERSONAL,
    REGRESSION,
    SHIPPED,
    TABLE,
    pickled,
    read_bundle,
    verify,
    write_content,
)
from trainer.bundles.bundle_manifest import FitRecipe
from trainer.trainer_errors import BundleError, BundleIncompatible, BundleOutdated

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.bundles.bundle_manifest import Manifest
    from trainer.regression.training_table import TrainingTable

log = logging.getLogger(__name__)


def usable_manifest(registry_dir: Path, name: str, feature_key: str | None) -> Manifest:
    """Return the manifest of a bundle, or of its new fit if it is outdated, made where missing.

    Args:
        registry_dir: the registry.
        name: of the bundle.
        feature_key: as for `read_bundle`.

    Raises:
        BundleError: it cannot be used, or the registry cannot be written.
        TrainingError: the fit fails.
    """
    try:
        return verify(registry_dir / name, feature_key=feature_key)
    except BundleOutdated as error:
        why = error.why
    old = verify(registry_dir / name, feature_key=feature_key, fitted=False)
    numbers = count(1)
    while True:
        directory = registry_dir / f"{origin_of(name)}.refit-{next(numbers)}"
        if not os.path.lexists(directory):
            try:
                return refit(registry_dir / name, directory, feature_key=feature_key, why=why)
            except BundleError:
                # Another process may have made it meanwhile.
                if not directory.exists():
                    raise
        with suppress(BundleError):
            found = verify(directory, feature_key=feature_key)
            if learned(found) == learned(old):
                return found


def learned(manifest: Manifest) -> dict[str, str]:
    """Return the checksums of all from which a bundle is fitted again."""
    return {name: of for name, of in manifest.files.items() if name != REGRESSION}


def origin_of(name: str) -> str:
    """Return the name of a bundle without that it was fitted again."""
    return name.split(".refit-", maxsplit=1)[0]


def refit(
    directory: Path,
    destination: Path,
    *,
    feature_key: str | None = None,
    guarded: bool = True,
    why: str = "versions changed",
) -> Manifest:
    """Fit a bundle again from its own table and recipe, unpickling nothing.

    A personal layer is copied: by the same recipe the new fit predicts to within 1e-4 what the old
    did, and by a newer one the layer still corrects sounds where it was fitted, since its space
    hardly changes. The next training fits it anew. The new bundle is named
    after `destination`, a place in a registry that must not exist. `why` is for the log,
    other arguments are those of `read_bundle`.

    Raises:
        BundleError: as `read_bundle`; or the recipe is not ours.
        TrainingError: the fit fails.
    """
    old, content = read_bundle(directory, feature_key, guarded=guarded)
    from trainer.personal.layer_file import decode_layer  # noqa: PLC0415 - see the top
    from trainer.regression.joint import OLDER_RECIPES, RECIPE, regression_from  # noqa: PLC0415
    from trainer.regression.training_table import decode_table  # noqa: PLC0415

    if old.recipe.name not in {RECIPE, *OLDER_RECIPES}:
        raise BundleIncompatible(
            f"{directory}: fitted by the recipe '{old.recipe.name}'; this version knows '{RECIPE}'"
        )
    log.warning(
        "bundle %s is fitted again from its table as %s, which can take minutes: %s",
        old.name,
        destination.name,
        why,
    )
    table = decode_table(content[TABLE], str(directory))
    if old.features != table.vectors.shape[1]:
        table = _with_measured_texture(table)
        content = {**content, TABLE: table.encoded()}
    if PERSONAL in content:
        decode_layer(content[PERSONAL], str(directory / PERSONAL), table.vectors.shape[1])
    # Settings of another recipe mean nothing in this one.
    settings = old.recipe.settings if old.recipe.name == RECIPE else {}
    regression = regression_from(settings).fit(table)
    recipe = FitRecipe(name=RECIPE, settings=regression.get_params())
    origin = {"name": old.name} | old.versions
    draft = old.model_copy(
        update={
            "name": destination.name,
            "features": table.vectors.shape[1],
            "refitted_from": origin,
            "recipe": recipe,
        }
    )
    fitted = {**content, REGRESSION: pickled(regression)}
    return write_content(destination, draft, fitted, registry=destination.parent)


def _with_measured_texture(table: TrainingTable) -> TrainingTable:
    """Return a completed table with the texture of shipped clips instead of its estimate.

    Imported clips keep theirs, even of the same sounds: the imported corpora have no other.
    """
    import numpy as np  # noqa: PLC0415 - see the top

    from trainer.features.texture import TEXTURE  # noqa: PLC0415
    from trainer.regression.training_table import decode_table  # noqa: PLC0415

    shipped = decode_table((SHIPPED / TABLE).read_bytes(), str(SHIPPED))
    measured = dict(zip(_clips(shipped, TEXTURE), shipped.vectors, strict=True))
    clips = zip(_clips(table, TEXTURE), table.vectors, strict=True)
    return replace(table, vectors=np.stack([measured.get(clip, own) for clip, own in clips]))


def _clips(table: TrainingTable, omitted: int) -> list[tuple[str, bytes]]:
    """Return what identifies the clips of a table: corpus, and vector without its last values."""
    vectors = (vector[:-omitted].tobytes() for vector in table.vectors)
    return list(zip(table.corpus.tolist(), vectors, strict=True))
