"""Passes the published bundle from the main service to the others, through their catalogue.

Its fitted regression stays where it is, since nobody unpickles what another installation has
written. Each service fits the same training set by the same recipe, which predicts the same to
within 1e-4, so predictions are recorded under the name that the bundle has at the main service.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trainer.bundles.adopting import ADOPTED, adopt
from trainer.bundles.bundle import authenticated, read_bundle
from trainer.bundles.refitting import learned

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.worker.active_bundle import ActiveBundle
    from storage.catalogue import Catalogue
    from trainer.bundles.bundle_manifest import Manifest

log = logging.getLogger(__name__)

_DIGITS: Final = 16


def share(catalogue: Catalogue, bundle: ActiveBundle) -> None:
    """Store the files of the published bundle for the other services, if there can be any.

    Raises:
        BundleError: it cannot be read.
        CatalogueError: the catalogue cannot be read or written.
    """
    if not catalogue.bundles.can_share():
        return
    manifest, digest = authenticated(bundle.directory)
    if catalogue.bundles.shared_digests(bundle.name) != {digest, *learned(manifest).values()}:
        _, files = read_bundle(bundle.directory, bundle.hearing)
        catalogue.bundles.share(bundle.name, files)
        log.info("bundle %s is in the catalogue, for the other services", bundle.name)


@dataclass(frozen=True)
class SharedFiles:
    """What identifies the files of a bundle in the catalogue.

    Attributes:
        bundle: its name at the main service.
        digests: the SHA-256 of each file.
    """

    bundle: str
    digests: frozenset[str]

    @property
    def name_here(self) -> str:
        """Name that it gets here: two installations may give their bundles the same one."""
        digest = hashlib.sha256(" ".join(sorted(self.digests)).encode("ascii")).hexdigest()
        return f"{ADOPTED}{digest[:_DIGITS]}"

    def are_those_of(self, manifest: Manifest) -> bool:
        """Return whether a bundle here was fitted on the same, and has learned the same."""
        own = set(learned(manifest).values())
        # The other digest is that of the manifest.
        return own < self.digests and len(own) == len(self.digests) - 1


def shared_files(catalogue: Catalogue, bundle: str) -> SharedFiles | None:
    """Return which files of a bundle are in the catalogue, None if none is.

    Raises:
        CatalogueError: it cannot be read.
    """
    digests = catalogue.bundles.shared_digests(bundle)
    return SharedFiles(bundle, frozenset(digests)) if digests else None


def take_over(catalogue: Catalogue, shared: SharedFiles, registry: Path) -> None:
    """Publish the shared bundle here, still without a fit.

    Args:
        catalogue: holds it.
        shared: as `shared_files` returned it.
        registry: folder of the bundles.

    Raises:
        BundleError: what is in the catalogue is no bundle, or the registry cannot be written.
        CatalogueError: the catalogue cannot be read.
    """
    adopt(registry, shared.name_here, catalogue.bundles.shared_files(shared.bundle))
    log.info(
        "bundle %s of the main service is published here as %s", shared.bundle, shared.name_here
    )
