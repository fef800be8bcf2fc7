"""Scans folders for sound files."""

from __future__ import annotations

import logging
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from daemon.tagging.disk import temp_names
from daemon.watch.file_state import is_folder, is_no_folder, stamp_at
from storage.schema.file_stamps import FileStamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from daemon.watch.file_filter import FileFilter

log = logging.getLogger(__name__)

MANY: Final = 1000
"""How many files a part of a folder has at most."""


@dataclass
class SkippedEntries:
    """What a scan found besides sound files.

    Attributes:
        unreadable: folders that could not be listed, each with the reason.
        directories: inode numbers of all directories of each root, itself included.
        leftovers: folders with temporary files of an interrupted tag write.
    """

    unreadable: dict[Path, str] = field(default_factory=dict)
    directories: dict[Path, set[int]] = field(default_factory=dict)
    leftovers: set[Path] = field(default_factory=set)


class FoundFile(NamedTuple):
    """A sound file that a scan found; `changed_s` is its ctime, in seconds since the epoch."""

    path: Path
    stamp: FileStamp
    changed_s: float


class FolderPart(NamedTuple):
    """A folder, or a part of one with many files.

    Attributes:
        folder: its path, with a slash at its end.
        files: names and stamps of sound files in it.
        is_first: whether no other part of it came before.
        is_last: whether none follows.
    """

    folder: str
    files: dict[str, os.stat_result]
    is_first: bool
    is_last: bool


def walk(root: Path, file_filter: FileFilter, skipped: SkippedEntries) -> Iterator[FoundFile]:
    """Yield the sound files below a folder, without following links.

    Args:
        root: the folder, or a single file.
        file_filter: which names count.
        skipped: filled in on the way.
    """
    if not is_folder(root) and (stamp := stamp_at(root)) is not None:
        yield FoundFile(root, stamp, root.lstat().st_ctime)
        return
    for part in folders_in(root, file_filter, skipped):
        for name, found in part.files.items():
            yield FoundFile(Path(part.folder + name), FileStamp.of(found), found.st_ctime)


def folders_in(
    root: Path,
    file_filter: FileFilter,
    skipped: SkippedEntries,
    watch: Callable[[str], None] = lambda _: None,
) -> Iterator[FolderPart]:
    """Yield each folder at or below a folder with its sound files, in parts if they are many.

    Of a folder that could not be listed to its end, those that were seen. One that is removed or
    becomes a link on the way is left out. `watch` is called with each folder before it is listed,
    so that no change falls between the two.
    """
    inodes = skipped.directories.setdefault(root, set())
    top = str(root).rstrip("/") + "/"
    pending: list[tuple[str, int | None]] = [(top, None)]
    while pending:
        folder, inode = pending.pop()
        watch(folder)
        files: dict[str, os.stat_result] = {}
        is_first = True
        try:
            with _opened(folder, inode, top) as handle, os.scandir(handle) as entries:
                inodes.add(os.fstat(handle).st_ino)
                for name, found in _sounds(entries, folder, file_filter, skipped, pending):
                    files[name] = found
                    if len(files) == MANY:
                        yield FolderPart(folder, files, is_first, is_last=False)
                        files, is_first = {}, False
        except _LeadsElsewhereError:
            continue
        except OSError as error:
            if inode is not None and is_no_folder(Path(folder)):
                continue
            skipped.unreadable[Path(folder)] = error.strerror or str(error)
        yield FolderPart(folder, files, is_first, is_last=True)


def _sounds(
    entries: Iterable[os.DirEntry[str]],
    folder: str,
    file_filter: FileFilter,
    skipped: SkippedEntries,
    pending: list[tuple[str, int | None]],
) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the sound files of a folder, and add the folders in it to those pending."""
    for entry in entries:
        name = entry.name
        if entry.is_dir(follow_symlinks=False):
            if file_filter.allows_folder(name):
                pending.append((f"{folder}{name}/", entry.inode()))
        elif temp_names.is_temporary(name):
            skipped.leftovers.add(Path(folder))
        elif file_filter.allows_file(name) and (found := _found(entry, folder)):
            yield name, found


class _LeadsElsewhereError(Exception):
    """A folder on the way has become a link."""


@contextmanager
def _opened(folder: str, inode: int | None, top: str) -> Iterator[int]:
    """Open a folder, of which a listing of that above it told the inode number; None of `top`."""
    links = 0 if inode is None else os.O_NOFOLLOW
    handle = os.open(folder[:-1] or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | links)
    try:
        # A mount point has another number there, too.
        if inode is not None and os.fstat(handle).st_ino != inode:
            below = os.path.realpath(top).rstrip("/") + "/" + folder.removeprefix(top)
            if os.path.realpath(folder) != below.rstrip("/"):
                raise _LeadsElsewhereError
        yield handle
    finally:
        os.close(handle)


def _found(entry: os.DirEntry[str], folder: str) -> os.stat_result | None:
    try:
        if entry.is_file(follow_symlinks=False):
            found = entry.stat(follow_symlinks=False)
            # The listing may be older.
            return found if stat.S_ISREG(found.st_mode) else None
        if entry.is_symlink():
            log.debug("%s%s: a link, not followed here", folder, entry.name)
    except OSError:
        # Removed after the folder was listed.
        pass
    return None
