"""The stored bundles, and which of them is published.

A registry is a directory of ours alone: one directory for each bundle, by name, and a link
``current`` to the published one. The link is replaced by one rename, so there always is one.
``history`` names those that were published, the latest last.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from trainer.bundles import bundle
from trainer.bundles.bundle_manifest import Manifest
from trainer.bundles.refitting import origin_of, usable_manifest
from trainer.files.atomic_dir import remove_abandoned, replace_file
from trainer.trainer_errors import BundleError, BundleMissing, BundleOfOtherFeatures, BundleOutdated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

CURRENT: Final = "current"
HISTORY: Final = "history"
STAGING: Final = ".retraining"
"""Where a candidate is while it is written, and a bundle while it is removed."""

_LONGEST_HISTORY: Final = 100


def prepare(
    registry_dir: Path, name: str | None = None, *, feature_key: str | None = None
) -> tuple[Path, Manifest]:
    """Publish a bundle; return its directory and verified manifest.

    Without a name, the published one stays if it is usable. The starter is published where there
    is no bundle, or one of other feature settings. A bundle of other library versions or of another
    code layout, or that this installation did not write, is fitted again from its table, and the
    new fit is published instead.

    Raises:
        BundleError: the bundle cannot be used; nothing is changed then.
    """
    if name is None:
        try:
            return published(registry_dir, feature_key=feature_key)
        except (BundleMissing, BundleOfOtherFeatures):
            name = install_starter(registry_dir, feature_key=feature_key)
        except BundleOutdated:
            name = _linked_name(registry_dir)
    manifest = publish(registry_dir, name, feature_key=feature_key)
    return registry_dir / manifest.name, manifest


def published(registry_dir: Path, *, feature_key: str | None = None) -> tuple[Path, Manifest]:
    """Verify the published bundle; return its directory and its manifest.

    Raises:
        BundleMissing: none is published.
        BundleError: it cannot be used, as `bundle.verify` says.
    """
    directory = registry_dir / _linked_name(registry_dir)
    return directory, bundle.verify(directory, feature_key=feature_key)


def published_bundle(registry_dir: Path, *, feature_key: str | None = None) -> Path:
    """Return the directory of the published bundle, verified as by `published`."""
    return published(registry_dir, feature_key=feature_key)[0]


def install_starter(
    registry_dir: Path, *, shipped: Path = bundle.SHIPPED, feature_key: str | None = None
) -> str:
    """Copy the shipped starter bundle into the registry and return its name there.

    A copy that is already there and usable is left alone. Under other library versions than the
    starter's it is fitted again from its table, under a new name.

    The registry is made with mode 0700 if it does not exist. The owner of the shipped files is not
    checked, since who can write to them can change this code.

    Raises:
        BundleError: the shipped bundle is damaged or the registry cannot be written.
    """
    make(registry_dir)
    try:
        manifest, content = bundle.read_bundle(shipped, feature_key, guarded=False, fitted=True)
    except BundleOutdated:
        manifest, content = bundle.read_bundle(shipped, feature_key, guarded=False)
    name = manifest.name
    if not (registry_dir / name).exists():
        bundle.write_authentic(registry_dir / name, content, registry_dir)
        log.info("starter bundle %s installed in %s", name, registry_dir)
    return usable_manifest(registry_dir, name, feature_key).name


def publish(
    registry_dir: Path, name: str, *, instead_of: str | None = None, feature_key: str | None = None
) -> Manifest:
    """Verify a bundle of the registry, publish it by one rename, and return its manifest.

    An outdated one is fitted again from its table, and the new fit is published instead. Only if
    `instead_of` is still the published one; None stands for any.

    Raises:
        BundleError: there is no such bundle, it cannot be used, or another than `instead_of` is
            published; the published one stays.
    """
    _require_plain(name)
    manifest = usable_manifest(registry_dir, name, feature_key)
    name = manifest.name
    with locked(registry_dir):
        current = published_name(registry_dir)
        if instead_of not in {None, current}:
            raise BundleError(
                f"{registry_dir}: '{current}' was published meanwhile instead of '{instead_of}'"
            )
        link(registry_dir, name)
    return manifest


def published_name(registry_dir: Path) -> str | None:
    """Return the name of the published bundle, usable or not; None if there is none."""
    try:
        return _linked_name(registry_dir)
    except BundleError:
        return None


def previous(registry_dir: Path) -> str | None:
    """Return the name of the bundle that was published before this one; None if there was none.

    A bundle and its new fits are one.
    """
    names = _history(registry_dir)
    others = (name for name in reversed(names) if origin_of(name) != origin_of(names[-1]))
    return next(others, None)


def rollback(registry_dir: Path, *, feature_key: str | None = None) -> str:
    """Publish the previous bundle again, and return its name; a second rollback undoes the first.

    Raises:
        BundleError: there was none before, or it cannot be used; the published one stays.
    """
    current, name = _linked_name(registry_dir), previous(registry_dir)
    if name is None:
        raise BundleMissing(f"{registry_dir}: no bundle was published before '{current}'")
    return publish(registry_dir, name, instead_of=current, feature_key=feature_key).name


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
    """Remove all but the latest `keep` candidates, and return the names of those removed.

    A candidate is a bundle that was compared with another, published or not. The published bundle,
    the previous one, and bundles that were never candidates, such as the starter, are not counted
    and stay.

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
    for name in doomed:
        remove(registry_dir, name)
    return doomed


def remove_leftovers(registry_dir: Path) -> None:
    """Remove what killed processes left unfinished; only under the lock of retraining."""
    remove_abandoned(registry_dir)
    with locked(registry_dir):
        for entry in registry_dir.glob(".*.*"):
            if entry.is_symlink() or not entry.is_dir():
                entry.unlink(missing_ok=True)


def make(registry_dir: Path) -> None:
    """Make a registry if it does not exist; raises BundleError if it cannot be."""
    try:
        registry_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BundleError(f"{registry_dir}: cannot be made: {error.strerror}") from error


def link(registry_dir: Path, name: str) -> None:
    """Publish a bundle as it is; only under `locked`."""
    # The history first: a last name that was never published is ignored.
    replace_file(registry_dir / HISTORY, lambda path: _write_history(path, registry_dir, name))
    replace_file(registry_dir / CURRENT, lambda path: path.symlink_to(name))


def remove(registry_dir: Path, name: str) -> None:
    """Remove a bundle; raises BundleError if it cannot be."""
    staging = registry_dir / STAGING
    try:
        staging.mkdir(mode=0o700, exist_ok=True)
        # What a killed process left there, perhaps of the same name, would be in the way.
        shutil.rmtree(staging / name, ignore_errors=True)
        # Moved away in one step, so that no half-removed bundle is ever listed.
        (registry_dir / name).rename(staging / name)
        shutil.rmtree(staging / name)
    except OSError as error:
        raise BundleError(f"{registry_dir / name}: {error.strerror}") from error


def _linked_name(registry_dir: Path) -> str:
    try:
        name = str((registry_dir / CURRENT).readlink())
    except OSError as error:
        raise BundleMissing(f"{registry_dir}: no bundle is published") from error
    _require_plain(name)
    return name


def _require_plain(name: str) -> None:
    if not _is_plain(name):
        raise BundleError(f"'{name}' is not the name of a bundle")


def _is_plain(name: str) -> bool:
    return bool(name) and not name.startswith(".") and "/" not in name


@contextmanager
def locked(registry_dir: Path) -> Iterator[None]:
    """Exclude other processes that change a registry."""
    handle = os.open(registry_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write_history(path: Path, registry_dir: Path, name: str) -> None:
    history = _history(registry_dir)
    # A new fit takes the place of the bundle that it was fitted from.
    if history and origin_of(history[-1]) == origin_of(name):
        history.pop()
    names = [*history, name]
    with path.open("x", encoding="utf-8") as stream:
        stream.writelines(f"{each}\n" for each in names[-_LONGEST_HISTORY:])
        stream.flush()
        os.fsync(stream.fileno())


def _history(registry_dir: Path) -> list[str]:
    """Return the names of published bundles, up to and with the one that is published now."""
    current = published_name(registry_dir)
    try:
        names = (registry_dir / HISTORY).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        names = []
    names = [name for name in names if _is_plain(name)]
    while names and names[-1] != current:
        names.pop()
    return names if names or current is None else [current]
