"""Publishing a bundle of another installation here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from trainer.bundles import bundle, registry
from trainer.bundles.bundle_manifest import decode_manifest
from trainer.bundles.refitting import origin_of
from trainer.trainer_errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

ADOPTED: Final = "shared-"
"""What the names of such bundles begin with."""


def adopt(registry_dir: Path, name: str, content: dict[str, bytes]) -> None:
    """Publish the files of another installation's bundle under a name of our own, not fitted yet.

    `prepare` fits it. Adopted bundles but this and the previous one are removed.

    Args:
        registry_dir: the registry, which is made if it does not exist.
        name: of the bundle here; one that is there already is published as it is.
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
    with registry.locked(registry_dir):
        registry.link(registry_dir, name)
    stay = {origin_of(each) for each in (name, registry.previous(registry_dir)) if each is not None}
    for directory in registry_dir.glob(f"{ADOPTED}*"):
        if origin_of(directory.name) not in stay:
            registry.remove(registry_dir, directory.name)
