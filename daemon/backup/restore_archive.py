"""Puts a backup in the place of what is there, which is kept aside.

Catalogue, bundles and corpora cannot be exchanged by one system call. So a note says first what is
about to take the catalogue's place; the one rename that puts it there is the moment of the restore.
Whoever comes next after a kill reads the note: before that moment everything is as it was, after it
bundles and corpora follow.
"""

from __future__ import annotations

import json
import logging
import shutil
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from secrets import randbelow
from typing import TYPE_CHECKING, Self

from daemon.backup.archive import CORPORA, BackupPaths, open_backup, unpack
from daemon.service_errors import BackupError
from storage.database.catalogue_copy import (
    problem_with,
    read_mark,
    rename_durably,
    replace_catalogue,
    sync,
    write_mark,
)
from storage.database.engine import file_of, only_writer
from storage.database.migrate import schemas
from trainer.bundles.registry import list_bundles
from trainer.corpora.corpus_store import FEATURE_CACHE, CorpusStore
from trainer.corpora.rated_clip import CorpusError
from trainer.trainer_errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.backup.archive import BackupLabel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Note:
    """What is about to take the catalogue's place.

    Attributes:
        mark: in the restored catalogue.
        stamp: a part of the names under which the old ones are kept.
    """

    mark: int
    stamp: str

    @classmethod
    def read(cls, where: Path) -> Self | None:
        """Return the note that lies somewhere, None if there is none.

        Raises:
            BackupError: it says nothing that was noted here.
        """
        try:
            said = json.loads(where.read_text(encoding="utf-8"))
            return cls(int(said["mark"]), str(said["stamp"]))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise BackupError(f"{where}: no note of an interrupted restore; remove it") from error

    def write(self, where: Path) -> None:
        """Have the note on the disk."""
        beside = where.with_name(f"{where.name}.new")
        beside.write_text(json.dumps(asdict(self)), encoding="utf-8")
        sync(beside)
        rename_durably(beside, where)


@dataclass(frozen=True)
class _Places:
    """Where everything is while it is exchanged. The corpora lie beside the registry."""

    file: Path
    registry: Path

    @property
    def corpora(self) -> Path:
        return self.registry.with_name(CORPORA)

    @property
    def fresh(self) -> BackupPaths:
        parts = (self.file, self.registry, self.corpora)
        return BackupPaths(*(path.with_name(f".{path.name}.restored") for path in parts))

    @property
    def note(self) -> Path:
        return self.file.with_name(f".{self.file.name}.restoring")

    def old_file(self, stamp: str) -> Path:
        return self.file.with_name(f"{self.file.stem}.before-{stamp}.db")

    def old_registry(self, stamp: str) -> Path:
        return self.registry.with_name(f"{self.registry.name}.before-{stamp}")

    def old_corpora(self, stamp: str) -> Path:
        return self.corpora.with_name(f"{self.corpora.name}.before-{stamp}")


def restore(url: str, registry: Path, archive: Path, stamp: str) -> tuple[BackupLabel, list[Path]]:
    """Put the catalogue, the bundles and the corpora of a backup in the place of what is there.

    Everything is taken out and looked at beside what is there before anything is exchanged. Ended
    at any moment, there is the old catalogue or the new one, and the next start has the bundles and
    the corpora that belong to it. A backup of a release that left corpora out leaves them alone.

    Args:
        url: of the catalogue.
        registry: folder of the bundles; that of the corpora lies beside it.
        archive: the backup.
        stamp: a part of the names under which the old ones are kept.

    Returns:
        What the backup says of itself, and where the old ones are.

    Raises:
        CatalogueBusy: a service runs on this catalogue.
        BackupError: the backup cannot be used; nothing was changed.
        CatalogueError: it cannot be put in place.
    """
    places = _Places(file_of(url), registry)
    with exclusive_access(url, registry):
        try:
            registry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with open_backup(archive) as tar:
                    label = unpack(tar, archive, places.fresh)
                _demand_usable(archive, places.fresh)
                if label.corpora is None:
                    places.fresh.corpora.rmdir()
                note = _Note(randbelow(2**31 - 1) + 1, stamp)
                write_mark(places.fresh.catalogue, note.mark)
                note.write(places.note)
                replace_catalogue(places.fresh.catalogue, places.file, places.old_file(stamp))
            finally:
                _settle(places)
        except OSError as error:
            raise BackupError(f"{archive}: cannot be restored: {error.strerror}") from error
    old = (places.old_corpora, places.old_registry, places.old_file)
    return label, [path for path in (each(stamp) for each in old) if path.exists()]


@contextmanager
def exclusive_access(url: str, registry: Path) -> Iterator[None]:
    """Hold the catalogue's lock, a restore that was interrupted being finished or undone first.

    Args:
        url: of the catalogue.
        registry: folder of the bundles.

    Raises:
        CatalogueBusy: another process holds it.
        CatalogueError: the lock cannot be made.
        BackupError: what an interrupted restore left cannot be understood, or not be moved.
    """
    places = _Places(file_of(url), registry)
    with only_writer(url):
        try:
            _settle(places)
        except OSError as error:
            why = f"a restore was interrupted, and cannot be finished: {error.strerror}"
            raise BackupError(f"{places.file}: {why}") from error
        yield


def _settle(places: _Places) -> None:
    note = _Note.read(places.note)
    if note is not None:
        if read_mark(places.file) == note.mark:
            _let_others_follow(places, note.stamp)
        else:
            _undo(places, note.stamp)
        places.note.unlink()
        sync(places.note.parent)
    for left in (places.fresh.catalogue, places.note.with_name(f"{places.note.name}.new")):
        if left.exists():
            left.unlink()
    for folder in (places.fresh.registry, places.fresh.corpora):
        if folder.exists():
            shutil.rmtree(folder)


def is_restore_interrupted(url: str) -> bool:
    """Tell whether a restore was interrupted, and waits for the next start to settle it."""
    return _Places(file_of(url), file_of(url)).note.exists()


def _let_others_follow(places: _Places, stamp: str) -> None:
    _let_follow(places.fresh.registry, places.registry, places.old_registry(stamp))
    old = places.old_corpora(stamp)
    _let_follow(places.fresh.corpora, places.corpora, old)
    # How sounds were heard is in no backup, and holds for any corpus.
    if (old / FEATURE_CACHE).exists() and not (places.corpora / FEATURE_CACHE).exists():
        (old / FEATURE_CACHE).rename(places.corpora / FEATURE_CACHE)
    # There need not have been any corpus.
    with suppress(OSError):
        old.rmdir()


def _let_follow(fresh: Path, folder: Path, old: Path) -> None:
    if not fresh.exists():
        return
    log.debug("%s: follows the restored catalogue", folder)
    if folder.exists() and not old.exists():
        folder.rename(old)
    elif folder.exists():
        # Made meanwhile by somebody who found none.
        shutil.rmtree(folder)
    rename_durably(fresh, folder)


def _undo(places: _Places, stamp: str) -> None:
    """Take back what was done before the restored catalogue took its place."""
    aside = places.old_file(stamp)
    for end in ("-wal", "-shm"):
        moved, back = (path.with_name(path.name + end) for path in (aside, places.file))
        if moved.exists() and not back.exists():
            moved.rename(back)
    # A second name of the catalogue; opened by it, it would have a second log.
    with suppress(FileNotFoundError):
        if aside.samefile(places.file):
            aside.unlink()


def _demand_usable(archive: Path, fresh: BackupPaths) -> None:
    problem = problem_with(fresh.catalogue, len(schemas()))
    if problem is not None:
        raise BackupError(f"{archive}: its catalogue cannot be used: {problem}")
    for name, found in list_bundles(fresh.registry).items():
        if isinstance(found, BundleError):
            raise BackupError(f"{archive}: its bundle {name} cannot be used: {found}")
    for name, corpus in CorpusStore(fresh.corpora).manifests().items():
        if isinstance(corpus, CorpusError):
            raise BackupError(f"{archive}: its corpus {name} cannot be used: {corpus}")
