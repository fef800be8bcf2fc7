"""Taking bundles of another installation into the registry."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from trainer.bundles import bundle, registry
from trainer.bundles.bundle_manifest import decode_manifest
from trainer.bundles.refitting import origin_of
from trainer.trainer_errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trainer.bundles.bundle_manifest import Manifest

ADOPTED: Final = "shared-"
"""What the names of such bundles begin with."""


def adopt(registry_dir: Path, name: str, content: dict[str, bytes]) -> None:
    """Store the files of another installation's bundle under a name of our own, not fitted yet.

    `registry.prepare` fits and publishes it.

    Args:
        registry_dir: the registry, which is made if it does not exist.
        name: of the bundle here; one that is there already is left as it is.
        content: the bytes of its files; its pickle is left out.

    Raises:
        BundleError: they are no bundle, or the registry cannot be written.
    """
    manifest = decode_manifest(content.get(bundle.MANIFEST, b""), name)
    files: dict[str, bytes] = {
        file: content[file] for file in (bundle.TABLE, bundle.PERSONAL) if file in content
    }
    registry.make(registry_dir)
    if not os.path.lexists(registry_dir / name):
        renamed = manifest.model_copy(
            update={"name": name, "refitted_from": {"name": manifest.name}}
        )
        files[bundle.MANIFEST] = renamed.encoded()
        bundle.write_authentic(registry_dir / name, files, registry_dir)
    try:
        bundle.verify(registry_dir / name, feature_key=manifest.hearing, fitted=False)
    except BundleError:
        registry.remove(registry_dir, name)
        raise


def remove_adopted(registry_dir: Path) -> None:
    """Remove adopted bundles other than the published and the previous one.

    Raises:
        BundleError: one cannot be removed.
    """
    stay = {registry.published_name(registry_dir), registry.previous(registry_dir)}
    origins = {origin_of(name) for name in stay if name is not None}
    for directory in registry_dir.glob(f"{ADOPTED}*"):
        if origin_of(directory.name) not in origins:
            registry.remove(registry_dir, directory.name)


def known_manifests(registry_dir: Path) -> Iterator[Manifest]:
    """Yield the manifest of each bundle that is here or shipped, without a look at other files."""
    for file in (bundle.SHIPPED / bundle.MANIFEST, *registry_dir.glob(f"*/{bundle.MANIFEST}")):
        with suppress(OSError, BundleError):
            yield decode_manifest(file.read_bytes(), str(file.parent))
