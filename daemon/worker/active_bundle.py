"""Loads the published bundle into the service and records it in the catalogue."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainer.trainer_errors import BundleError, BundleMissing, BundleOfOtherFeatures, BundleOutdated

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from storage.catalogue import Catalogue
    from trainer.bundles.bundle_manifest import Manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ActiveBundle:
    """The bundle that predicts.

    Attributes:
        directory: where it is.
        name: its name.
        hearing: key of the feature settings that it was fitted with.
        digest: of its manifest, by which a worker knows what to load: it may not read the key of
            this installation, since it also reads hostile files.
    """

    directory: Path
    name: str
    hearing: str
    digest: str


def load_published(
    registry: Path, catalogue: Catalogue, verified: Callable[[Path], tuple[Path, Manifest]]
) -> ActiveBundle:
    """Verify the published bundle, and record that it predicts from now on.

    Files whose features were extracted under other settings than it was fitted on count as changed.

    Args:
        registry: folder of the bundles.
        catalogue: records the bundle.
        verified: returns the directory and the manifest of the registry's published bundle;
            `WorkerClient.prepare` also makes sure that there is one.

    Raises:
        BundleError: none can be used.
    """
    bundle, manifest = load_bundle(registry, verified)
    name = bundle.name
    catalogue.bundles.record(name, manifest.created_at, manifest.model_dump())
    log.info("published bundle: %s", name, extra={"bundle": name})
    if files := len(catalogue.rescoring.with_other_features()):
        log.info("%d files have features of other settings; watched ones are analysed again", files)
    return bundle


def load_bundle(
    registry: Path, verified: Callable[[Path], tuple[Path, Manifest]]
) -> tuple[ActiveBundle, Manifest]:
    """Return the published bundle, verified, and its manifest; arguments and errors as above."""
    from trainer.bundles.bundle import authenticated  # noqa: PLC0415 - spares others the import

    directory, _ = verified(registry)
    manifest, digest = authenticated(directory)
    return ActiveBundle(directory, manifest.name, manifest.hearing, digest), manifest


def problem_with(registry: Path) -> str | None:
    """Return in one line why the published bundle cannot be used, None if it can."""
    from trainer.bundles.registry import published_bundle  # noqa: PLC0415 - spares others the import

    try:
        published_bundle(registry)
    except (BundleMissing, BundleOfOtherFeatures, BundleOutdated):
        # The next start brings the starter, or fits again from the table.
        return None
    except BundleError as error:
        return str(error)
    return None
