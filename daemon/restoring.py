"""Puts a backup in the place of what is there, which is kept aside.

Catalogue and bundles cannot be exchanged by one system call. So a note says first what is about to
take the catalogue's place; the one rename that puts it there is the moment of the restore. Whoever
comes next after a kill reads the note: before that moment everything is as it was, after it the
bundles follow.
"""

from __future__ import annotations

import json
import logging
import shutil
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from secrets import randbelow
from typing import TYPE_CHECKING, Self

from daemon.archive import opened, unpack
from daemon.errors import BackupError
from storage.copies import mark, mark_of, place, problem_with, put_in_place, sync
from storage.engine import file_of, only_writer
from storage.migrating import schemas
from trainer.errors import BundleError
from trainer.registry import kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.archive import Label

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
        place(beside, where)


@dataclass(frozen=True)
class _Places:
    """Where everything is while it is exchanged."""

    file: Path
    registry: Path

    @property
    def fresh(self) -> Path:
        return self.file.with_name(f".{self.file.name}.restored")

    @property
    def bundles(self) -> Path:
        return self.registry.with_name(f".{self.registry.name}.restored")

    @property
    def note(self) -> Path:
        return self.file.with_name(f".{self.file.name}.restoring")

    def old_file(self, stamp: str) -> Path:
        return self.file.with_name(f"{self.file.stem}.before-{stamp}.db")

    def old_registry(self, stamp: str) -> Path:
        return self.registry.with_name(f"{self.registry.name}.before-{stamp}")


def restore(url: str, registry: Path, archive: Path, stamp: str) -> tuple[Label, list[Path]]:
    """Put the catalogue and the bundles of a backup in service.

    Everything is taken out and looked at beside what is there before anything is exchanged. Ended
    at any moment, there is the old catalogue or the new one, and the next start has the bundles
    that belong to it.

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
    places = _Places(file_of(url), registry)
    with in_sole_charge(url, registry):
        try:
            registry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with opened(archive) as tar:
                    label = unpack(tar, archive, places.fresh, places.bundles)
                _demand_usable(archive, places)
                note = _Note(randbelow(2**31 - 1) + 1, stamp)
                mark(places.fresh, note.mark)
                note.write(places.note)
                put_in_place(places.fresh, places.file, places.old_file(stamp))
            finally:
                _settle(places)
        except OSError as error:
            raise BackupError(f"{archive}: cannot be restored: {error.strerror}") from error
    old = (places.old_registry(stamp), places.old_file(stamp))
    return label, [path for path in old if path.exists()]


@contextmanager
def in_sole_charge(url: str, registry: Path) -> Iterator[None]:
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
        if mark_of(places.file) == note.mark:
            _let_bundles_follow(places, note.stamp)
        else:
            _undo(places, note.stamp)
        places.note.unlink()
        sync(places.note.parent)
    for left in (places.fresh, places.note.with_name(f"{places.note.name}.new")):
        if left.exists():
            left.unlink()
    if places.bundles.exists():
        shutil.rmtree(places.bundles)


def is_restored_in_part(url: str) -> bool:
    """Tell whether a restore was interrupted, and waits for the next start to settle it."""
    return _Places(file_of(url), file_of(url)).note.exists()


def _let_bundles_follow(places: _Places, stamp: str) -> None:
    if not places.bundles.exists():
        return
    log.debug("%s: the bundles follow the restored catalogue", places.registry)
    old = places.old_registry(stamp)
    if places.registry.exists() and not old.exists():
        places.registry.rename(old)
    elif places.registry.exists():
        # Made meanwhile by somebody who found none.
        shutil.rmtree(places.registry)
    place(places.bundles, places.registry)


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


def _demand_usable(archive: Path, places: _Places) -> None:
    problem = problem_with(places.fresh, len(schemas()))
    if problem is not None:
        raise BackupError(f"{archive}: its catalogue cannot be used: {problem}")
    for name, found in kept(places.bundles).items():
        if isinstance(found, BundleError):
            raise BackupError(f"{archive}: its bundle {name} cannot be used: {found}")
