"""Scans folders and compares them with the catalogue; finds what events have missed."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.tagging.disk import temp_names
from daemon.watch.file_state import is_folder, stamp_at
from storage.schema.file_stamps import FileStamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from daemon.watch.file_filter import FileFilter
    from daemon.watch.nested_mounts import NestedMounts

    Stamps = Mapping[Path, FileStamp]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoundFile:
    """A sound file that a scan found; `changed_s` is its ctime, in seconds since the epoch."""

    path: Path
    stamp: FileStamp
    changed_s: float


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


@dataclass
class FolderComparison(SkippedEntries):
    """Folders compared with the catalogue.

    Attributes:
        new: files that neither the catalogue nor the queue knows in this state.
        known: number of files that one of them knows.
        restamped: known files that are certainly the same, with the stamps they have now.
        gone: known paths below these folders where there is no file any more.
    """

    new: list[FoundFile] = field(default_factory=list)
    known: int = 0
    restamped: dict[Path, FileStamp] = field(default_factory=dict)
    gone: list[Path] = field(default_factory=list)


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
    inodes = skipped.directories.setdefault(root, set())
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                inodes.add(folder.stat().st_ino)
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if file_filter.allows_folder(entry.name):
                            pending.append(Path(entry.path))
                    elif temp_names.is_temporary(entry.name):
                        skipped.leftovers.add(folder)
                    elif file_filter.allows_file(entry.name) and (found := _found(entry)):
                        yield found
        except OSError as error:
            skipped.unreadable[folder] = error.strerror or str(error)


def _found(entry: os.DirEntry[str]) -> FoundFile | None:
    try:
        if not entry.is_file(follow_symlinks=False):
            if entry.is_symlink():
                log.debug("%s: a link, not followed here", entry.path)
            return None
        stat = entry.stat(follow_symlinks=False)
    except OSError:
        # Removed after the folder was listed.
        return None
    return FoundFile(Path(entry.path), FileStamp.of(stat), stat.st_ctime)


def compare(
    roots: list[Path],
    file_filter: FileFilter,
    recorded: Stamps,
    queued: Stamps,
    mounts: NestedMounts,
    alive: Callable[[], None] = lambda: None,
) -> FolderComparison:
    """Compare the files below the roots with those recorded and queued.

    Files are not gone if their folder cannot be listed, or lay on a file system that is unmounted.
    `alive` is called with every file that is found.
    """
    result = FolderComparison()
    mounts.refresh()
    present: set[Path] = set()
    for root in roots:
        _check_content(root, recorded, result.unreadable)
        for found in walk(root, file_filter, result):
            alive()
            if found.path in present:
                continue
            present.add(found.path)
            stamps = (recorded.get(found.path), queued.get(found.path))
            _add(found, [stamp for stamp in stamps if stamp is not None], result)
    _check_mounts(mounts, present, recorded, result.unreadable)
    result.gone = [
        path
        for path in (*recorded, *queued)
        if path not in present
        and any(map(path.is_relative_to, roots))
        and not any(map(path.is_relative_to, result.unreadable))
    ]
    return result


def _add(found: FoundFile, earlier: list[FileStamp], result: FolderComparison) -> None:
    if not any(stamp.holds_for(found.stamp) for stamp in earlier):
        result.new.append(found)
        return
    result.known += 1
    if found.stamp not in earlier:
        result.restamped[found.path] = found.stamp


def _check_content(root: Path, recorded: Stamps, unreadable: dict[Path, str]) -> None:
    """Treat a root that is suddenly empty as a mount point whose disk is away."""
    try:
        with os.scandir(root) as entries:
            is_empty = next(entries, None) is None
    except OSError:
        return
    if is_empty and (known := _count_below(root, recorded)):
        unreadable[root] = f"empty, though {known} files are known in it; is its disk mounted?"


def _check_mounts(
    mounts: NestedMounts, present: set[Path], recorded: Stamps, unreadable: dict[Path, str]
) -> None:
    """Treat a former mount point without sound files as one whose disk is away."""
    for point in mounts.unmounted():
        known = _count_below(point, recorded)
        if known and not _count_below(point, present):
            files = "the file" if known == 1 else f"the {known} files"
            unreadable[point] = f"its disk is not mounted; nothing is forgotten of {files} on it"
        else:
            mounts.forget(point)


def _count_below(folder: Path, paths: Iterable[Path]) -> int:
    return sum(path.is_relative_to(folder) for path in paths)
