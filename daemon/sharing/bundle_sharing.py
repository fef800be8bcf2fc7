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

from trainer.bundles.adopting import ADOPTED, adopt, known_manifests, remove_adopted
from trainer.bundles.bundle import authenticated, read_bundle
from trainer.bundles.refitting import learned
from trainer.trainer_errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.worker.active_bundle import ActiveBundle
    from daemon.worker.bundle_preparing import Prepares
    from storage.catalogue import Catalogue
    from trainer.bundles.bundle_manifest import Manifest

log = logging.getLogger(__name__)

_DIGITS: Final = 16


def share(catalogue: Catalogue, bundle: ActiveBundle, *, beside: str | None = None) -> None:
    """Store the files of the published bundle for the other services, if there can be any.

    Those of other bundles are deleted, except of the one `beside` it.

    Raises:
        BundleError: it cannot be read.
        CatalogueError: the catalogue cannot be read or written.
    """
    if not catalogue.bundles.can_share():
        return
    manifest, digest = authenticated(bundle.directory)
    if catalogue.bundles.shared_digests(bundle.name) != {digest, *learned(manifest).values()}:
        _, files = read_bundle(bundle.directory, bundle.hearing)
        catalogue.bundles.share(bundle.name, files, beside=beside)
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


def take_over(catalogue: Catalogue, shared: SharedFiles, registry: Path, prepare: Prepares) -> None:
    """Fit the shared bundle here, and publish it.

    Args:
        catalogue: holds it.
        shared: as `shared_files` returned it.
        registry: folder of the bundles.
        prepare: fits and publishes it.

    Raises:
        BundleError: it cannot be used here; what was published stays.
        CatalogueError: the catalogue cannot be read.
    """
    try:
        adopt(registry, shared.name_here, catalogue.bundles.shared_files(shared.bundle))
        prepare(registry, shared.name_here)
    finally:
        try:
            remove_adopted(registry)
        except BundleError as error:
            log.warning("a bundle that is not needed any more stays: %s", error)
    log.info(
        "bundle %s of the main service is published here as %s", shared.bundle, shared.name_here
    )


def take_over_unknown(catalogue: Catalogue, registry: Path, prepare: Prepares) -> str | None:
    """Have a new main service go on with the bundle of the former one, if it was never here.

    One that is here, published or not, was replaced by a decision of this installation; the
    starter is here anyway.

    Returns:
        The name of a bundle that could not be taken over, which may succeed at the next start.

    Raises:
        CatalogueError: the catalogue cannot be read.
    """
    if not catalogue.bundles.can_share():
        return None
    for name in catalogue.bundles.shared():
        shared = shared_files(catalogue, name)
        if shared is None or any(map(shared.are_those_of, known_manifests(registry))):
            continue
        try:
            take_over(catalogue, shared, registry, prepare)
        except BundleError as error:
            log.warning("the bundle %s of the former main service cannot be used: %s", name, error)
            return name
    return None
