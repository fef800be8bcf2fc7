"""The bundles that are kept, and which of them is in service.

A registry is a directory of ours alone: one directory for each bundle, by name, and a link
``current`` to the one in service. The link is exchanged by one rename, so there always is one.
``history`` names those that were in service, the latest last.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trainer.bundles import bundle
from trainer.bundles.bundle_manifest import BundleOutdated, Manifest, decode_manifest
from trainer.files.atomic_dir import remove_abandoned, sync_folder, write_files
from trainer.trainer_errors import BundleError, BundleMissing, BundleOfOtherFeatures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

CURRENT: Final = "current"
HISTORY: Final = "history"
STAGING: Final = ".retraining"
"""Where a candidate is written, and a removed one goes, before it appears or is gone."""

SHIPPED: Final = Path(__file__).parent / "starter-2"
"""The starter bundle inside the package."""

_REMEMBERED: Final = 100


def prepare(registry_dir: Path, *, feature_key: str | None = None) -> tuple[Path, Manifest]:
    """Make sure that a usable bundle is published; return its directory and verified manifest.

    An empty registry gets the starter, and so does one whose bundle was fitted on sounds that were
    heard otherwise. A bundle in service whose libraries have changed is fitted again from its
    table, and the new fit takes its place.

    Raises:
        BundleError: the bundle in service cannot be used; nothing is changed then.
    """
    try:
        return published(registry_dir, feature_key=feature_key)
    except (BundleMissing, BundleOfOtherFeatures):
        name = install_starter(registry_dir, feature_key=feature_key)
    except BundleOutdated:
        name = _refitted(registry_dir, _current_name(registry_dir), feature_key)
    return registry_dir / name, publish(registry_dir, name, feature_key=feature_key)


def published(registry_dir: Path, *, feature_key: str | None = None) -> tuple[Path, Manifest]:
    """Verify the published bundle; return its directory and its manifest.

    Raises:
        BundleMissing: none is published.
        BundleError: it cannot be used, as `bundle.verify` says.
    """
    directory = registry_dir / _current_name(registry_dir)
    return directory, bundle.verify(directory, feature_key=feature_key)


def published_bundle(registry_dir: Path, *, feature_key: str | None = None) -> Path:
    """Return the directory of the published bundle, verified as by `published`."""
    return published(registry_dir, feature_key=feature_key)[0]


def install_starter(
    registry_dir: Path, *, shipped: Path = SHIPPED, feature_key: str | None = None
) -> str:
    """Copy the shipped starter bundle into the registry and return its name there.

    What is already there and sound is left alone. Where the libraries are not those it was fitted
    under, it is fitted again from its table under a name of its own.

    Args:
        registry_dir: made with mode 0700 if it does not exist.
        shipped: the starter; whoever can write to it can change this code, so its owner is not
            asked, but its checksums are.
        feature_key: as for `bundle.verify`.

    Raises:
        BundleError: the shipped bundle is damaged or the registry cannot be written.
    """
    _make(registry_dir)
    content = bundle.read_bundle_files(shipped, feature_key, guarded=False)
    name = decode_manifest(content[bundle.MANIFEST], str(shipped)).name
    if not (registry_dir / name).exists():
        write_files(registry_dir / name, content)
        log.info("starter bundle %s installed in %s", name, registry_dir)
    try:
        bundle.verify(registry_dir / name, feature_key=feature_key)
    except BundleOutdated:
        return _refitted(registry_dir, name, feature_key)
    return name


def publish(
    registry_dir: Path, name: str, *, instead_of: str | None = None, feature_key: str | None = None
) -> Manifest:
    """Verify a bundle of the registry, publish it by one rename, and return its manifest.

    Args:
        registry_dir: where it is kept.
        name: of the bundle.
        instead_of: the bundle that must be in service for this; any if not given.
        feature_key: as for `bundle.verify`.

    Raises:
        BundleError: there is no such bundle, it cannot be used, or another than `instead_of` is in
            service; the one in service stays.
    """
    _demand_plain(name)
    manifest = bundle.verify(registry_dir / name, feature_key=feature_key)
    with _one_at_a_time(registry_dir):
        current = published_name(registry_dir)
        if instead_of not in {None, current}:
            raise BundleError(
                f"{registry_dir}: '{current}' has been put in service instead of '{instead_of}'"
            )
        # Written first: a name at the end that never came into service is passed over.
        _exchange(registry_dir, HISTORY, lambda beside: _write_history(beside, registry_dir, name))
        _exchange(registry_dir, CURRENT, lambda beside: beside.symlink_to(name))
    return manifest


def published_name(registry_dir: Path) -> str | None:
    """Return the name of the bundle in service, usable or not; None if there is none."""
    try:
        return _current_name(registry_dir)
    except BundleError:
        return None


def previous(registry_dir: Path) -> str | None:
    """Return the name of the bundle that was in service before this one; None if there was none."""
    return next(reversed(_served(registry_dir)[:-1]), None)


def rollback(registry_dir: Path, *, feature_key: str | None = None) -> str:
    """Put the bundle in service that was so before this one, and return its name.

    Rolled back again, the later one returns.

    Raises:
        BundleError: there was none before, or it cannot be used; the one in service stays.
    """
    current, name = _current_name(registry_dir), previous(registry_dir)
    if name is None:
        raise BundleMissing(f"{registry_dir}: no bundle was in service before '{current}'")
    publish(registry_dir, name, instead_of=current, feature_key=feature_key)
    return name


def list_bundles(
    registry_dir: Path, *, feature_key: str | None = None
) -> dict[str, Manifest | BundleError]:
    """Return every bundle by name: its manifest, or why it cannot be used.

    An outdated bundle is listed by its manifest, since it can be fitted again.
    """
    found: dict[str, Manifest | BundleError] = {}
    for directory in sorted(registry_dir.iterdir()) if registry_dir.is_dir() else []:
        if directory.name.startswith(".") or directory.is_symlink() or not directory.is_dir():
            continue
        try:
            found[directory.name] = bundle.verify(directory, feature_key=feature_key, fitted=False)
        except BundleError as error:
            found[directory.name] = error
    return found


def prune(registry_dir: Path, keep: int = 5, *, feature_key: str | None = None) -> list[str]:
    """Remove all but the latest candidates, and return the names of those removed.

    A candidate is a bundle that was compared with another, published or not. The one in service,
    the one before it, and what was never a candidate, such as the starter, are not counted and
    stay.

    Raises:
        BundleError: one cannot be removed.
    """
    stay = {published_name(registry_dir), previous(registry_dir)}
    candidates = [
        (found.created_at, name)
        for name, found in list_bundles(registry_dir, feature_key=feature_key).items()
        if isinstance(found, Manifest) and found.comparison is not None and name not in stay
    ]
    doomed = [name for _, name in sorted(candidates)[: max(0, len(candidates) - keep)]]
    staging = registry_dir / STAGING
    for name in doomed:
        try:
            staging.mkdir(mode=0o700, exist_ok=True)
            # Out of sight in one step, so that no half-removed bundle is ever listed.
            (registry_dir / name).rename(staging / name)
            shutil.rmtree(staging / name)
        except OSError as error:
            raise BundleError(f"{registry_dir / name}: {error.strerror}") from error
    return doomed


def tidy(registry_dir: Path) -> None:
    """Remove what killed processes left half made; only for who alone retrains."""
    remove_abandoned(registry_dir)
    with _one_at_a_time(registry_dir):
        for name in (CURRENT, HISTORY):
            for beside in registry_dir.glob(f".{name}.*"):
                beside.unlink(missing_ok=True)


def _current_name(registry_dir: Path) -> str:
    try:
        name = str((registry_dir / CURRENT).readlink())
    except OSError as error:
        raise BundleMissing(f"{registry_dir}: no bundle is in service") from error
    _demand_plain(name)
    return name


def _demand_plain(name: str) -> None:
    if not _is_plain(name):
        raise BundleError(f"'{name}' is not the name of a bundle")


def _is_plain(name: str) -> bool:
    return bool(name) and not name.startswith(".") and "/" not in name


def _refitted(registry_dir: Path, name: str, feature_key: str | None) -> str:
    """Return a usable refit of a bundle, making one where there is none."""
    origin = name.split(".refit-", maxsplit=1)[0]
    number = 1
    while (registry_dir / f"{origin}.refit-{number}").exists():
        existing = f"{origin}.refit-{number}"
        try:
            bundle.verify(registry_dir / existing, feature_key=feature_key)
        except BundleError:
            number += 1
        else:
            return existing
    fresh = f"{origin}.refit-{number}"
    bundle.refit(registry_dir / name, registry_dir / fresh, name=fresh, feature_key=feature_key)
    return fresh


def _make(registry_dir: Path) -> None:
    try:
        registry_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BundleError(f"{registry_dir}: cannot be made: {error.strerror}") from error


@contextmanager
def _one_at_a_time(registry_dir: Path) -> Iterator[None]:
    handle = os.open(registry_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _exchange(registry_dir: Path, name: str, make: Callable[[Path], None]) -> None:
    beside = registry_dir / f".{name}.{secrets.token_hex(8)}"
    try:
        make(beside)
        beside.replace(registry_dir / name)
        sync_folder(registry_dir)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise BundleError(f"{registry_dir / name}: {error.strerror}") from error


def _write_history(beside: Path, registry_dir: Path, name: str) -> None:
    served = _served(registry_dir)
    names = served if served[-1:] == [name] else [*served, name]
    with beside.open("x", encoding="utf-8") as stream:
        stream.writelines(f"{each}\n" for each in names[-_REMEMBERED:])
        stream.flush()
        os.fsync(stream.fileno())


def _served(registry_dir: Path) -> list[str]:
    """Return what has been in service, up to and with what is in service now."""
    current = published_name(registry_dir)
    try:
        names = (registry_dir / HISTORY).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        names = []
    names = [name for name in names if _is_plain(name)]
    while names and names[-1] != current:
        names.pop()
    return names if names or current is None else [current]
