"""Walks folders and compares them with the catalogue: events are hints, this is the truth."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from storage.records import FileStamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.admission import Admission

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
class Comparison:
    """Folders against the catalogue.

    Attributes:
        new: files that the catalogue does not know in this state, nor the queue.
        known: number of files it does know.
        gone: paths it knows below these folders that are no longer there.
        unread: folders that could not be listed, each with the reason.
        directories: inode numbers of all directories of each root, itself included.
    """

    new: list[FoundFile] = field(default_factory=list)
    known: int = 0
    gone: list[Path] = field(default_factory=list)
    unread: dict[Path, str] = field(default_factory=dict)
    directories: dict[Path, set[int]] = field(default_factory=dict)


def walk(
    root: Path, admission: Admission, unread: dict[Path, str], directories: set[int] | None = None
) -> Iterator[FoundFile]:
    """Yield the sound files below a folder, links not followed.

    Args:
        root: the folder, or a single file.
        admission: which names count.
        unread: takes the folders that could not be listed, with the reason.
        directories: takes the inode numbers of those that could.
    """
    if root.is_file():
        yield FoundFile(root, FileStamp.of(root.lstat()), root.lstat().st_ctime)
        return
    passed = set() if directories is None else directories
    pending = [str(root)]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                passed.add(Path(folder).stat().st_ino)
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if admission.enters(entry.name):
                            pending.append(entry.path)
                    elif admission.admits(entry.name):
                        found = _found(entry)
                        if found is not None:
                            yield found
        except OSError as error:
            unread[Path(folder)] = error.strerror or str(error)


def _found(entry: os.DirEntry[str]) -> FoundFile | None:
    try:
        if not entry.is_file(follow_symlinks=False):
            return None
        stat = entry.stat(follow_symlinks=False)
    except OSError:
        # It went away between the listing and the look; so it is not there.
        return None
    return FoundFile(Path(entry.path), FileStamp.of(stat), stat.st_ctime)


def compare(
    roots: list[Path],
    admission: Admission,
    recorded: Mapping[Path, FileStamp],
    queued: Mapping[Path, FileStamp],
) -> Comparison:
    """Compare what is below the roots with what is recorded and queued.

    A folder that cannot be listed says nothing about the files in it: they are not gone.
    """
    result = Comparison()
    present: set[Path] = set()
    for root in roots:
        _demand_content(root, recorded, result.unread)
        inodes = result.directories.setdefault(root, set())
        for found in walk(root, admission, result.unread, inodes):
            if found.path in present:
                continue
            present.add(found.path)
            if found.stamp in (recorded.get(found.path), queued.get(found.path)):
                result.known += 1
            else:
                result.new.append(found)
    for path in (*recorded, *queued):
        if path not in present and _is_below(path, roots) and not _is_below(path, result.unread):
            result.gone.append(path)
    return result


def _demand_content(
    root: Path, recorded: Mapping[Path, FileStamp], unread: dict[Path, str]
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
        unread[root] = f"empty, though {known} files are known in it; is its disk mounted?"


def _is_below(path: Path, folders: list[Path] | dict[Path, str]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)
