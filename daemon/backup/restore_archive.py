"""Restores a backup in place of the present state, which is renamed and kept.

Catalogue, bundles and corpora cannot be replaced by one system call. So a journal is written first,
and the rename of the catalogue is the moment of the restore. If the process is killed, the next one
reads the journal: before that moment it undoes the restore, after it it moves bundles and corpora.
"""

from __future__ import annotations

import json
import logging
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from secrets import randbelow
from typing import TYPE_CHECKING, Self

from daemon.backup.archive import CORPORA, BackupPaths, open_backup, unpack
from daemon.service_errors import BackupError
from storage.database.catalogue_check import problem_with
from storage.database.catalogue_copy import (
    carry_begun_writes,
    read_mark,
    rename_durably,
    replace_catalogue,
    sync,
    write_mark,
)
from storage.database.catalogue_file import file_of, only_writer
from storage.schema.catalogue_errors import CatalogueError
from trainer.bundles.registry import list_bundles
from trainer.corpora.corpus_store import FEATURE_CACHE, CorpusStore
from trainer.corpora.rated_clip import CorpusError
from trainer.trainer_errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.backup.archive import BackupLabel

log = logging.getLogger(__name__)


def _read_journal(path: Path) -> tuple[int, str] | None:
    """Return the mark of the restored catalogue and the stamp of the old state; None without."""
    try:
        journal = json.loads(path.read_text(encoding="utf-8"))
        return int(journal["mark"]), str(journal["stamp"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        message = "not the journal of an interrupted restore; remove it"
        raise BackupError(f"{path}: {message}") from error


def _write_journal(path: Path, mark: int, stamp: str) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps({"mark": mark, "stamp": stamp}), encoding="utf-8")
    sync(new)
    rename_durably(new, path)


@dataclass(frozen=True)
class _Layout:
    """The paths of a restore. The corpora are next to the registry, each new path to the old."""

    current: BackupPaths

    @classmethod
    def of(cls, url: str, registry: Path) -> Self:
        return cls(BackupPaths(file_of(url), registry, registry.with_name(CORPORA)))

    @property
    def new(self) -> BackupPaths:
        paths = (self.current.catalogue, self.current.registry, self.current.corpora)
        return BackupPaths(*(path.with_name(f".{path.name}.restored") for path in paths))

    def old(self, stamp: str) -> BackupPaths:
        file, folders = self.current.catalogue, (self.current.registry, self.current.corpora)
        return BackupPaths(
            file.with_name(f"{file.stem}.before-{stamp}.db"),
            *(folder.with_name(f"{folder.name}.before-{stamp}") for folder in folders),
        )

    @property
    def journal(self) -> Path:
        return self.current.catalogue.with_name(f".{self.current.catalogue.name}.restoring")


def restore(url: str, registry: Path, archive: Path, stamp: str) -> tuple[BackupLabel, list[Path]]:
    """Replace the catalogue, the bundles and the corpora by those of a backup.

    Everything is extracted and checked before anything is replaced. If it ends at any moment, there
    is the old catalogue or the new one, and the next start moves the bundles and corpora that
    belong to it. A backup of a release that left corpora out leaves them alone.

    Returns:
        The label of the backup, and where the old state is, under names with `stamp` in them.

    Raises:
        CatalogueBusy: a service uses this catalogue.
        BackupError: the backup cannot be used; nothing was changed.
        CatalogueError: the catalogue cannot be replaced.
    """
    layout = _Layout.of(url, registry)
    new, old = layout.new, layout.old(stamp)
    with exclusive_access(url, registry):
        try:
            registry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with open_backup(archive) as tar:
                    label = unpack(tar, archive, new)
                _require_usable(archive, new)
                if label.corpora is None:
                    new.corpora.rmdir()
                _carry_notes(archive, layout)
                mark = randbelow(2**31 - 1) + 1
                write_mark(new.catalogue, mark)
                _write_journal(layout.journal, mark, stamp)
                replace_catalogue(new.catalogue, layout.current.catalogue, old.catalogue)
            finally:
                _complete(layout)
        except OSError as error:
            raise BackupError(f"{archive}: cannot be restored: {error.strerror}") from error
    kept = (old.corpora, old.registry, old.catalogue)
    return label, [path for path in kept if path.exists()]


@contextmanager
def exclusive_access(url: str, registry: Path) -> Iterator[None]:
    """Hold the catalogue's lock, after completing or undoing a restore that was interrupted.

    Raises:
        CatalogueBusy: another process holds it.
        CatalogueError: the lock cannot be made.
        BackupError: what an interrupted restore left cannot be understood or moved.
    """
    layout = _Layout.of(url, registry)
    with only_writer(url):
        try:
            _complete(layout)
        except OSError as error:
            why = f"a restore was interrupted, and cannot be completed: {error.strerror}"
            raise BackupError(f"{layout.current.catalogue}: {why}") from error
        yield


def is_restore_interrupted(url: str) -> bool:
    """Whether a restore was interrupted, and the next start will complete or undo it."""
    return _Layout.of(url, file_of(url)).journal.exists()


def _complete(layout: _Layout) -> None:
    """Complete or undo the restore of the journal, if there is one, and remove what it left."""
    new, current = layout.new, layout.current
    journal = _read_journal(layout.journal)
    if journal is not None:
        mark, stamp = journal
        old = layout.old(stamp)
        if read_mark(current.catalogue) == mark:
            _replace_folder(new.registry, current.registry, old.registry)
            _replace_corpora(new.corpora, current.corpora, old.corpora)
        else:
            _undo(current.catalogue, old.catalogue)
        layout.journal.unlink()
        sync(layout.journal.parent)
    new.catalogue.unlink(missing_ok=True)
    layout.journal.with_name(f"{layout.journal.name}.new").unlink(missing_ok=True)
    for folder in (new.registry, new.corpora):
        if folder.exists():
            shutil.rmtree(folder)


def _replace_corpora(new: Path, current: Path, old: Path) -> None:
    _replace_folder(new, current, old)
    # The feature cache is in no backup, and is valid for any corpus.
    if (old / FEATURE_CACHE).exists() and not (current / FEATURE_CACHE).exists():
        (old / FEATURE_CACHE).rename(current / FEATURE_CACHE)
    # There need not have been any corpus.
    with suppress(OSError):
        old.rmdir()


def _replace_folder(new: Path, current: Path, old: Path) -> None:
    if not new.exists():
        return
    log.debug("%s: replaced by the restored one", current)
    if current.exists() and not old.exists():
        current.rename(old)
    elif current.exists():
        # Another process found none meanwhile, and made it.
        shutil.rmtree(current)
    rename_durably(new, current)


def _undo(current: Path, old: Path) -> None:
    """Undo what was done before the restored catalogue was renamed."""
    for end in ("-wal", "-shm"):
        moved, back = (path.with_name(path.name + end) for path in (old, current))
        if moved.exists() and not back.exists():
            moved.rename(back)
    # A second name of the catalogue; opened by it, it would have a second log.
    with suppress(FileNotFoundError):
        if old.samefile(current):
            old.unlink()


def _carry_notes(archive: Path, layout: _Layout) -> None:
    try:
        carry_begun_writes(layout.current.catalogue, layout.new.catalogue)
    except CatalogueError as error:
        raise BackupError(f"{archive}: its catalogue cannot be used: {error}") from error


def _require_usable(archive: Path, new: BackupPaths) -> None:
    problem = problem_with(new.catalogue)
    if problem is not None:
        raise BackupError(f"{archive}: its catalogue cannot be used: {problem}")
    for name, found in list_bundles(new.registry).items():
        if isinstance(found, BundleError):
            raise BackupError(f"{archive}: its bundle {name} cannot be used: {found}")
    for name, corpus in CorpusStore(new.corpora).manifests().items():
        if isinstance(corpus, CorpusError):
            raise BackupError(f"{archive}: its corpus {name} cannot be used: {corpus}")
