"""Walks folders and compares them with the catalogue: events are hints, this is the truth."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.tagging.disk import temp_names
from daemon.watch.file_state import is_folder, stamp_at
from storage.schema.records import FileStamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from daemon.watch.file_filter import FileFilter
    from daemon.watch.nested_mounts import NestedMounts

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoundFile:
    """A file that a walk came by.

    Attributes:
        path: where.
        stamp: how it looked.
        changed_s: when it last changed in any way, in seconds since the epoch.
    """

    path: Path
    stamp: FileStamp
    changed_s: float


@dataclass
class FolderComparison:
    """Folders against the catalogue.

    Attributes:
        new: files that the catalogue does not know in this state, nor the queue.
        known: number of files it does know.
        gone: paths it knows below these folders that are no longer there.
        unreadable: folders that could not be listed, each with the reason.
        directories: inode numbers of all directories of each root, itself included.
        leftovers: folders in which an interrupted tag write left something.
    """

    new: list[FoundFile] = field(default_factory=list)
    known: int = 0
    gone: list[Path] = field(default_factory=list)
    unreadable: dict[Path, str] = field(default_factory=dict)
    directories: dict[Path, set[int]] = field(default_factory=dict)
    leftovers: set[Path] = field(default_factory=set)


@dataclass
class SkippedEntries:
    """What a walk came by besides files.

    Attributes:
        unreadable: folders that could not be listed, each with the reason.
        directories: inode numbers of those that could.
        leftovers: folders in which an interrupted tag write left something.
    """

    unreadable: dict[Path, str] = field(default_factory=dict)
    directories: set[int] = field(default_factory=set)
    leftovers: set[Path] = field(default_factory=set)


def walk(root: Path, admission: FileFilter, passed: SkippedEntries) -> Iterator[FoundFile]:
    """Yield the sound files below a folder, links not followed.

    Args:
        root: the folder, or a single file.
        admission: which names count.
        passed: takes what else there was.
    """
    if not is_folder(root) and (stamp := stamp_at(root)) is not None:
        yield FoundFile(root, stamp, root.lstat().st_ctime)
        return
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                passed.directories.add(folder.stat().st_ino)
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if admission.enters(entry.name):
                            pending.append(Path(entry.path))
                    elif temp_names.is_temporary(entry.name):
                        passed.leftovers.add(folder)
                    elif admission.admits(entry.name):
                        found = _found(entry)
                        if found is not None:
                            yield found
        except OSError as error:
            passed.unreadable[folder] = error.strerror or str(error)


def _found(entry: os.DirEntry[str]) -> FoundFile | None:
    try:
        if not entry.is_file(follow_symlinks=False):
            if entry.is_symlink():
                log.debug("%s: a link; what it leads to is not looked at here", entry.path)
            return None
        stat = entry.stat(follow_symlinks=False)
    except OSError:
        # It went away between the listing and the look; so it is not there.
        return None
    return FoundFile(Path(entry.path), FileStamp.of(stat), stat.st_ctime)


def compare(
    roots: list[Path],
    admission: FileFilter,
    recorded: Mapping[Path, FileStamp],
    queued: Mapping[Path, FileStamp],
    mounts: NestedMounts,
    alive: Callable[[], None] = lambda: None,
) -> FolderComparison:
    """Compare what is below the roots with what is recorded and queued.

    A folder that cannot be listed says nothing about the files in it: they are not gone. Nor does
    one on which a disk was mounted before. `alive` is called with every file that is found.
    """
    result = FolderComparison()
    mounts.refresh()
    present: set[Path] = set()
    for root in roots:
        _demand_content(root, recorded, result.unreadable)
        passed = SkippedEntries(result.unreadable, leftovers=result.leftovers)
        result.directories[root] = passed.directories
        for found in walk(root, admission, passed):
            alive()
            if found.path in present:
                continue
            present.add(found.path)
            if found.stamp in (recorded.get(found.path), queued.get(found.path)):
                result.known += 1
            else:
                result.new.append(found)
    _demand_mounts(mounts, present, recorded, result.unreadable)
    for path in (*recorded, *queued):
        if (
            path not in present
            and _is_below(path, roots)
            and not _is_below(path, result.unreadable)
        ):
            result.gone.append(path)
    return result


def _demand_content(
    root: Path, recorded: Mapping[Path, FileStamp], unreadable: dict[Path, str]
) -> None:
    """Take a folder that is suddenly empty for a mount point whose disk is away."""
    try:
        with os.scandir(root) as entries:
            if next(entries, None) is not None:
                return
    except OSError:
        return
    known = sum(1 for path in recorded if path.is_relative_to(root))
    if known:
        unreadable[root] = f"empty, though {known} files are known in it; is its disk mounted?"


def _demand_mounts(
    mounts: NestedMounts,
    present: set[Path],
    recorded: Mapping[Path, FileStamp],
    unreadable: dict[Path, str],
) -> None:
    """Take a folder without sound, on which a disk was mounted, for one whose disk is away."""
    for point in mounts.away():
        known = sum(1 for path in recorded if path.is_relative_to(point))
        if known and not any(path.is_relative_to(point) for path in present):
            unreadable[point] = f"its disk is not mounted; the {known} files known on it are kept"
        else:
            mounts.forget(point)


def _is_below(path: Path, folders: list[Path] | dict[Path, str]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
