"""Imports the annotation tables that users put into the annotation folder.

Others may write to that folder. So every step in it is taken through its open directory: a link
that somebody puts in place of a table, a reason or a folder is never followed.
"""

from __future__ import annotations

import logging
import os
import pwd
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final

from daemon.paths import printable
from daemon.system.folder_handle import FolderHandle, open_folder
from daemon.training_data.annotation_csv import AnnotationTable, WrongLine
from daemon.training_data.annotation_import import AnnotationsRefused, ImportPostponed, import_table
from daemon.watch.open_writers import has_writer
from daemon.wording import counted
from storage.schema.file_stamps import FileStamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from storage.annotations import AnnotationStore

log = logging.getLogger(__name__)

DONE: Final = "done"
REFUSED: Final = "refused"
SUFFIX: Final = ".csv"


class AnnotationFolder:
    """Imports each table of a folder, as a whole or not at all, and moves it to a subfolder.

    Imported tables go to `done/`, refused ones to `refused/` with a text file that says why.

    Args:
        folder: created if it does not exist.
        annotations: takes the annotations.
        settle_s: returns for how long a table must be unchanged, in seconds.
        clock: the time, aware of its zone.
        may_name_annotators: whether a table may say whose its rows are; otherwise its owner's.
    """

    def __init__(
        self,
        folder: Path,
        annotations: AnnotationStore,
        settle_s: Callable[[], float],
        clock: Callable[[], datetime],
        *,
        may_name_annotators: bool = True,
    ) -> None:
        self._folder = folder
        self._annotations = annotations
        self._settle_s = settle_s
        self._clock = clock
        self._may_name_annotators = may_name_annotators
        self._not_moved: dict[str, FileStamp] = {}
        self._problem: str | None = None
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Let `import_tables`, which runs in another thread, end soon; nothing is lost."""
        self._stopping.set()

    def import_tables(self) -> int:
        """Import the complete tables, and return the number of new annotations.

        Raises:
            CatalogueError: the catalogue cannot be written; the tables stay.
        """
        try:
            folder = open_folder(self._folder, create=True)
        except OSError as error:
            self._log_once(f"{self._folder}: cannot be read: {error.strerror}")
            return 0
        with folder:
            return sum(self._import(folder, name) for name in folder.names() if _is_table(name))

    def _import(self, folder: FolderHandle, name: str) -> int:
        try:
            stream = folder.open_file(name)
        except PermissionError as error:
            self._log_once(f"{self._folder / name}: cannot be read: {error.strerror}")
            return 0
        except OSError:
            # Moved away meanwhile, a link, or no regular file.
            return 0
        with stream:
            stamp = FileStamp.of(os.fstat(stream.fileno()))
            if self._stopping.is_set() or not self._is_complete(name, stream, stamp):
                return 0
            new, reason = self._imported(name, stream)
            if new is None:
                return 0
            if not self._moved(folder, name, stream, reason):
                self._not_moved[name] = stamp
            return new

    def _is_complete(self, name: str, stream: BinaryIO, stamp: FileStamp) -> bool:
        if self._not_moved.get(name) == stamp:
            return False
        age_s = self._clock().timestamp() - stamp.mtime_ns / 1e9
        return abs(age_s) >= self._settle_s() and not has_writer(stream.fileno())

    def _imported(self, name: str, stream: BinaryIO) -> tuple[int | None, str | None]:
        """Return the number of new annotations, None to try again later, and why it was refused."""
        source = printable(name)
        status = os.fstat(stream.fileno())
        table = AnnotationTable(
            source,
            stream,
            annotator=_name_of(status.st_uid),
            may_name_annotators=self._may_name_annotators,
            may_repeat=True,
            stopped=self._stopping.is_set,
        )
        if status.st_nlink > 1:
            # It could be somebody's private file, whose words the reason would show.
            wrong = WrongLine(0, "is a hard link; put a copy here")
            return 0, str(AnnotationsRefused(source, [wrong]))
        try:
            found = import_table(table, self._annotations, self._clock())
        except AnnotationsRefused as error:
            log.warning("%s: refused; see %s/%s.reason.txt", source, REFUSED, source)
            return 0, str(error)
        except ImportPostponed:
            return None, None
        except OSError as error:
            self._log_once(f"{self._folder / name}: cannot be read: {error.strerror}")
            return None, None
        given = counted(found.given, "annotation")
        log.info("%s: %s imported, %d new", source, given, found.new)
        return found.new, None

    def _moved(self, folder: FolderHandle, name: str, stream: BinaryIO, reason: str | None) -> bool:
        """Move a table to its subfolder, and return whether it was this one that was moved."""
        into = DONE if reason is None else REFUSED
        try:
            with folder.subfolder(into, create=True) as target:
                made = [target.write_new(name)]
                try:
                    if reason is not None:
                        text = f"{reason}\n".encode("utf-8", "backslashreplace")
                        made.append(target.write_new(f"{made[0]}.reason.txt", text))
                    folder.move(name, target, made[0])
                    if os.path.samestat(os.fstat(stream.fileno()), target.status(made[0])):
                        return True
                    # Somebody put another table in its place meanwhile: that one is read next.
                    target.move(made.pop(0), folder, folder.write_new(name))
                except OSError:
                    _remove(target, made)
                    raise
                _remove(target, made)
        except OSError as error:
            self._log_once(f"{self._folder / name}: cannot be moved to {into}/: {error.strerror}")
        return False

    def _log_once(self, problem: str) -> None:
        if problem != self._problem:
            log.error("%s", problem)
        self._problem = problem


def _is_table(name: str) -> bool:
    return name.lower().endswith(SUFFIX) and not name.startswith(".")


def _remove(folder: FolderHandle, names: list[str]) -> None:
    for name in names:
        with suppress(OSError):
            folder.remove(name)


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
