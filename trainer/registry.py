"""The bundles that are kept, and which of them is in service.

A registry is a directory of ours alone: one directory for each bundle, by name, and a link
``current`` to the one in service. The link is exchanged by one rename, so there always is one.
"""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path
from typing import Final

from trainer import bundle
from trainer.errors import BundleError, BundleMissing
from trainer.manifest import BundleOutdated, Manifest, decode_manifest

log = logging.getLogger(__name__)

CURRENT: Final = "current"

SHIPPED: Final = Path(__file__).parent / "bundles" / "starter-1"
"""The starter bundle inside the package."""


def prepare(registry_dir: Path, *, hearing: str | None = None) -> Path:
    """Make sure that a usable bundle is in service, and return its directory.

    An empty registry gets the starter. A bundle in service whose libraries have changed is fitted
    again from its table, and the new fit takes its place.

    Raises:
        BundleError: the bundle in service cannot be used; nothing is changed then.
    """
    try:
        return bundle_in_service(registry_dir, hearing=hearing)
    except BundleMissing:
        name = install_starter(registry_dir, hearing=hearing)
    except BundleOutdated:
        name = _refitted(registry_dir, _current_name(registry_dir), hearing)
    publish(registry_dir, name, hearing=hearing)
    return registry_dir / name


def bundle_in_service(registry_dir: Path, *, hearing: str | None = None) -> Path:
    """Return the directory of the bundle in service, verified.

    Raises:
        BundleMissing: none is in service.
        BundleError: it cannot be used, as `bundle.verify` says.
    """
    directory = registry_dir / _current_name(registry_dir)
    bundle.verify(directory, hearing=hearing)
    return directory


def install_starter(
    registry_dir: Path, *, shipped: Path = SHIPPED, hearing: str | None = None
) -> str:
    """Copy the shipped starter bundle into the registry and return its name there.

    What is already there and sound is left alone. Where the libraries are not those it was fitted
    under, it is fitted again from its table under a name of its own.

    Args:
        registry_dir: made with mode 0700 if it does not exist.
        shipped: the starter; whoever can write to it can change this code, so its owner is not
            asked, but its checksums are.
        hearing: as for `bundle.verify`.

    Raises:
        BundleError: the shipped bundle is damaged or the registry cannot be written.
    """
    _make(registry_dir)
    content = bundle.read_bundle_files(shipped, hearing, guarded=False)
    name = decode_manifest(content[bundle.MANIFEST], str(shipped)).name
    if not (registry_dir / name).exists():
        bundle.write_files(registry_dir / name, content)
        log.info("starter bundle %s installed in %s", name, registry_dir)
    try:
        bundle.verify(registry_dir / name, hearing=hearing)
    except BundleOutdated:
        return _refitted(registry_dir, name, hearing)
    return name


def publish(registry_dir: Path, name: str, *, hearing: str | None = None) -> None:
    """Put a bundle of the registry in service, by one rename.

    Raises:
        BundleError: there is no such bundle, or it cannot be used; the one in service stays.
    """
    _demand_plain(name)
    bundle.verify(registry_dir / name, hearing=hearing)
    beside = registry_dir / f".{CURRENT}.{secrets.token_hex(8)}"
    try:
        beside.symlink_to(name)
        beside.replace(registry_dir / CURRENT)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise BundleError(f"{registry_dir / CURRENT}: {error.strerror}") from error
    handle = os.open(registry_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def kept(registry_dir: Path, *, hearing: str | None = None) -> dict[str, Manifest | BundleError]:
    """Return every bundle by name: its manifest, or why it cannot be used.

    An outdated bundle is listed by its manifest, since it can be fitted again.
    """
    found: dict[str, Manifest | BundleError] = {}
    for directory in sorted(registry_dir.iterdir()) if registry_dir.is_dir() else []:
        if directory.name.startswith(".") or directory.is_symlink() or not directory.is_dir():
            continue
        try:
            found[directory.name] = bundle.verify(directory, hearing=hearing, fitted=False)
        except BundleError as error:
            found[directory.name] = error
    return found


def _current_name(registry_dir: Path) -> str:
    try:
        name = str((registry_dir / CURRENT).readlink())
    except OSError as error:
        raise BundleMissing(f"{registry_dir}: no bundle is in service") from error
    _demand_plain(name)
    return name


def _demand_plain(name: str) -> None:
    if not name or name.startswith(".") or "/" in name:
        raise BundleError(f"'{name}' is not the name of a bundle")


def _refitted(registry_dir: Path, name: str, hearing: str | None) -> str:
    """Return a usable refit of a bundle, making one where there is none."""
    origin = name.split(".refit-", maxsplit=1)[0]
    number = 1
    while (registry_dir / f"{origin}.refit-{number}").exists():
        existing = f"{origin}.refit-{number}"
        try:
            bundle.verify(registry_dir / existing, hearing=hearing)
        except BundleError:
            number += 1
        else:
            return existing
    fresh = f"{origin}.refit-{number}"
    bundle.refit(registry_dir / name, registry_dir / fresh, name=fresh, hearing=hearing)
    return fresh


def _make(registry_dir: Path) -> None:
    try:
        registry_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BundleError(f"{registry_dir}: cannot be made: {error.strerror}") from error
