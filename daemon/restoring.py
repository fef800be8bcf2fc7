"""Puts a backup in the place of what is there, which is kept aside."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from daemon.archive import Places, opened, unpack
from daemon.errors import BackupError
from storage.copies import place, problem_with, put_in_place, sync
from storage.engine import file_of, only_writer
from storage.migrating import schemas
from trainer.corpora.clips import CorpusError
from trainer.corpora.shelf import HEARD, Shelf
from trainer.errors import BundleError
from trainer.registry import kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.archive import Label


def restore(
    url: str, registry: Path, corpora: Path, archive: Path, stamp: str
) -> tuple[Label, list[Path]]:
    """Put the catalogue, the bundles and the corpora of a backup in the place of what is there.

    Everything is taken out and looked at beside what is there before anything is exchanged. Ended
    at any moment, there is the old catalogue or the new one. A backup of a release that left
    corpora out leaves them as they are.

    Args:
        url: of the catalogue.
        registry: folder of the bundles.
        corpora: folder of the imported corpora.
        archive: the backup.
        stamp: a part of the names under which the old ones are kept.

    Returns:
        What the backup says of itself, and where the old ones are.

    Raises:
        CatalogueBusy: a service runs on this catalogue.
        BackupError: the backup cannot be used; nothing was changed.
        CatalogueError: it cannot be put in place.
    """
    now = Places(file_of(url), registry, corpora)
    fresh = Places(*(_beside(path) for path in (now.catalogue, registry, corpora)))
    with only_writer(url):
        try:
            # What an attempt that was killed left there.
            _remove(fresh)
            for folder in (registry, corpora):
                folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with opened(archive) as tar:
                label = unpack(tar, archive, fresh)
            _demand_usable(archive, fresh)
            if label.corpora is None:
                fresh.corpora.rmdir()
            aside = [path for path in _exchanged(now, fresh, stamp) if path.exists()]
        except OSError as error:
            raise BackupError(f"{archive}: cannot be restored: {error.strerror}") from error
        finally:
            _remove(fresh)
    return label, aside


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.restored")


def _demand_usable(archive: Path, fresh: Places) -> None:
    problem = problem_with(fresh.catalogue, len(schemas()))
    if problem is not None:
        raise BackupError(f"{archive}: its catalogue cannot be used: {problem}")
    for name, found in kept(fresh.registry).items():
        if isinstance(found, BundleError):
            raise BackupError(f"{archive}: its bundle {name} cannot be used: {found}")
    for name, corpus in Shelf(fresh.corpora).listed().items():
        if isinstance(corpus, CorpusError):
            raise BackupError(f"{archive}: its corpus {name} cannot be used: {corpus}")


def _exchanged(now: Places, fresh: Places, stamp: str) -> Iterator[Path]:
    """Exchange what is there for what is new, and yield where the old is kept."""
    file = now.catalogue
    # Killed below, what is missing lies aside; the next start brings the starter.
    if fresh.corpora.exists():
        old = _exchanged_folder(now.corpora, fresh.corpora, stamp)
        with suppress(FileNotFoundError):
            (old / HEARD).rename(now.corpora / HEARD)
        # There need not have been any corpus.
        with suppress(OSError):
            old.rmdir()
        yield old
    yield _exchanged_folder(now.registry, fresh.registry, stamp)
    aside = file.with_name(f"{file.stem}.before-{stamp}.db")
    put_in_place(fresh.catalogue, file, aside)
    sync(file.parent)
    yield aside


def _exchanged_folder(folder: Path, fresh: Path, stamp: str) -> Path:
    aside = folder.with_name(f"{folder.name}.before-{stamp}")
    with suppress(FileNotFoundError):
        folder.rename(aside)
    place(fresh, folder)
    return aside


def _remove(fresh: Places) -> None:
    with suppress(OSError):
        fresh.catalogue.unlink(missing_ok=True)
    for folder in (fresh.registry, fresh.corpora):
        shutil.rmtree(folder, ignore_errors=True)
