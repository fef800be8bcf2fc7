"""Imports the annotation tables that users put into the annotation folder."""

from __future__ import annotations

import logging
import os
import pwd
from typing import TYPE_CHECKING, Final

from daemon.training_data.annotation_csv import (
    LARGEST_BYTES,
    AnnotationsRefused,
    AnnotationTable,
    annotations_in,
)
from daemon.watch.file_state import stamp_at
from daemon.watch.open_writers import is_being_written

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from storage.annotations import AnnotationStore
    from storage.schema.records import FileStamp

log = logging.getLogger(__name__)

DONE: Final = "done"
REFUSED: Final = "refused"


class AnnotationFolder:
    """Imports each table of a folder, as a whole or not at all, and moves it to a subfolder.

    Imported tables go to `done/`, refused ones to `refused/` with a text file that says why.

    Args:
        folder: created if it does not exist.
        annotations: takes the annotations.
        settle_s: returns for how long a table must be unchanged, in seconds.
        clock: the time, aware of its zone.
    """

    def __init__(
        self,
        folder: Path,
        annotations: AnnotationStore,
        settle_s: Callable[[], float],
        clock: Callable[[], datetime],
    ) -> None:
        self._folder = folder
        self._annotations = annotations
        self._settle_s = settle_s
        self._clock = clock
        self._not_moved: dict[Path, FileStamp] = {}
        self._problem: str | None = None

    def import_tables(self) -> int:
        """Import the complete tables, and return the number of new annotations.

        Raises:
            CatalogueError: the catalogue cannot be written; the tables stay.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            tables = sorted(path for path in self._folder.iterdir() if _is_table(path))
        except OSError as error:
            self._log_once(f"{self._folder}: cannot be read: {error.strerror}")
            return 0
        return sum(self._import(path) for path in tables if self._is_complete(path))

    def _is_complete(self, path: Path) -> bool:
        stamp = stamp_at(path)
        if stamp is None or self._not_moved.get(path) == stamp:
            return False
        age_s = self._clock().timestamp() - stamp.mtime_ns / 1e9
        return abs(age_s) >= self._settle_s() and not is_being_written(path)

    def _import(self, path: Path) -> int:
        stamp, new = stamp_at(path), 0
        try:
            given = annotations_in(_table(path), self._annotations)
            new = self._annotations.add(given, self._clock())
        except AnnotationsRefused as error:
            log.warning("%s: refused; see %s/%s.reason.txt", path.name, REFUSED, path.name)
            self._move(path, REFUSED, str(error))
        except OSError as error:
            self._log_once(f"{path}: cannot be read: {error.strerror}")
        else:
            log.info("%s: %d annotations imported, %d of them new", path.name, len(given), new)
            self._move(path, DONE, None)
        if stamp is not None and stamp_at(path) == stamp:
            self._not_moved[path] = stamp
        return new

    def _move(self, path: Path, into: str, reason: str | None) -> None:
        target = _free(self._folder / into / path.name)
        try:
            target.parent.mkdir(exist_ok=True)
            if reason is not None:
                text = target.with_name(f"{target.name}.reason.txt")
                text.write_text(f"{reason}\n", "utf-8", "surrogateescape")
            path.rename(target)
        except OSError as error:
            self._log_once(f"{path}: cannot be moved to {into}/: {error.strerror}")

    def _log_once(self, problem: str) -> None:
        if problem != self._problem:
            log.error("%s", problem)
        self._problem = problem


def _is_table(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.suffix.lower() == ".csv" and not hidden and stamp_at(path) is not None


def _table(path: Path) -> AnnotationTable:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        owner = os.fstat(descriptor).st_uid
        content = stream.read(LARGEST_BYTES + 1)
    return AnnotationTable(path.name, content, annotator=_name_of(owner), may_repeat=True)


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _free(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}.{number}{path.suffix}")
    return free
