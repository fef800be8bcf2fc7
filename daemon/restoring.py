"""Puts a backup in the place of what is there, which is kept aside."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from daemon.archive import opened, unpack
from daemon.errors import BackupError
from storage.copies import place, problem_with, put_in_place, sync
from storage.engine import file_of, only_writer
from storage.migrating import schemas
from trainer.errors import BundleError
from trainer.registry import kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.archive import Label


def restore(url: str, registry: Path, archive: Path, stamp: str) -> tuple[Label, list[Path]]:
    """Put the catalogue and the bundles of a backup in service.

    Everything is taken out and looked at beside what is there before anything is exchanged. Ended
    at any moment, there is the old catalogue or the new one.

    Args:
        url: of the catalogue.
        registry: folder of the bundles.
        archive: the backup.
        stamp: a part of the names under which the old ones are kept.

    Returns:
        What the backup says of itself, and where the old ones are.

    Raises:
        CatalogueBusy: a service runs on this catalogue.
        BackupError: the backup cannot be used; nothing was changed.
        CatalogueError: it cannot be put in place.
    """
    file = file_of(url)
    fresh, bundles = (path.with_name(f".{path.name}.restored") for path in (file, registry))
    with only_writer(url):
        try:
            # What an attempt that was killed left there.
            _remove(fresh, bundles)
            registry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with opened(archive) as tar:
                label = unpack(tar, archive, fresh, bundles)
            _demand_usable(archive, fresh, bundles)
            aside = list(_exchanged(file, fresh, registry, bundles, stamp))
        except OSError as error:
            raise BackupError(f"{archive}: cannot be restored: {error.strerror}") from error
        finally:
            _remove(fresh, bundles)
    return label, aside


def _demand_usable(archive: Path, catalogue: Path, bundles: Path) -> None:
    problem = problem_with(catalogue, len(schemas()))
    if problem is not None:
        raise BackupError(f"{archive}: its catalogue cannot be used: {problem}")
    for name, found in kept(bundles).items():
        if isinstance(found, BundleError):
            raise BackupError(f"{archive}: its bundle {name} cannot be used: {found}")


def _exchanged(
    file: Path, fresh: Path, registry: Path, bundles: Path, stamp: str
) -> Iterator[Path]:
    """Exchange both, and yield where the old ones are kept."""
    old = registry.with_name(f"{registry.name}.before-{stamp}")
    if registry.exists():
        registry.rename(old)
        yield old
    # Killed here, the next start brings the starter; nothing is lost by that.
    place(bundles, registry)
    aside = file.with_name(f"{file.stem}.before-{stamp}.db")
    had_one = file.exists()
    put_in_place(fresh, file, aside)
    sync(file.parent)
    if had_one:
        yield aside


def _remove(fresh: Path, bundles: Path) -> None:
    with suppress(OSError):
        fresh.unlink(missing_ok=True)
    shutil.rmtree(bundles, ignore_errors=True)
