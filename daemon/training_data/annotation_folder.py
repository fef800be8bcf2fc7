"""The folder into which people drop tables of annotations."""

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
from storage.schema.catalogue_errors import CatalogueError

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
    """Takes up each table that lies in a folder, whole or not at all, and puts it away.

    What was taken up goes to `done/`; what was refused goes to `refused/`, beside a text that
    says why.

    Args:
        folder: made where it does not exist.
        annotations: takes what was said.
        settle_s: returns how long a table must have been left alone, in seconds.
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
        self._left_there: dict[Path, FileStamp] = {}
        self._trouble: str | None = None

    def look(self) -> int:
        """Take up what is complete, and return how many annotations were new.

        Raises:
            CatalogueError: the catalogue takes nothing just now; the tables stay.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            tables = sorted(path for path in self._folder.iterdir() if _is_table(path))
        except OSError as error:
            self._complain(f"{self._folder}: cannot be looked into: {error.strerror}")
            return 0
        return sum(self._taken_up(path) for path in tables if self._is_complete(path))

    def _is_complete(self, path: Path) -> bool:
        stamp = stamp_at(path)
        if stamp is None or self._left_there.get(path) == stamp:
            return False
        age_s = self._clock().timestamp() - stamp.mtime_ns / 1e9
        return abs(age_s) >= self._settle_s() and not is_being_written(path)

    def _taken_up(self, path: Path) -> int:
        stamp = stamp_at(path)
        try:
            given = annotations_in(_table(path), self._annotations)
            new = self._annotations.add(given, self._clock())
        except AnnotationsRefused as error:
            log.warning("%s: refused; %s says why", path.name, f"{REFUSED}/{path.name}.reason.txt")
            self._put_away(path, REFUSED, str(error))
            new = 0
        except CatalogueError:
            raise
        except OSError as error:
            self._complain(f"{path}: cannot be read: {error.strerror}")
            new = 0
        else:
            log.info("%s: %d annotations taken up, %d of them new", path.name, len(given), new)
            self._put_away(path, DONE, None)
        if stamp is not None and stamp_at(path) == stamp:
            self._left_there[path] = stamp
        return new

    def _put_away(self, path: Path, into: str, reason: str | None) -> None:
        target = _free(self._folder / into / path.name)
        try:
            target.parent.mkdir(exist_ok=True)
            if reason is not None:
                beside = target.with_name(f"{target.name}.reason.txt")
                beside.write_text(f"{reason}\n", "utf-8", "surrogateescape")
            path.rename(target)
        except OSError as error:
            self._complain(f"{path}: cannot be moved to {into}/: {error.strerror}")

    def _complain(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.error("%s", trouble)
        self._trouble = trouble


def _is_table(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.suffix.lower() == ".csv" and not hidden and stamp_at(path) is not None


def _table(path: Path) -> AnnotationTable:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        owner = os.fstat(descriptor).st_uid
        content = stream.read(LARGEST_BYTES + 1)
    return AnnotationTable(path.name, content, annotator=_name_of(owner), comes_twice=True)


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
