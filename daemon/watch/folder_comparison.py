"""Compares folders with the catalogue; finds what events have missed.

Folder by folder, so that the memory it takes is that of the differences.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from daemon.watch.file_state import folder_inode, has_entries, is_folder, stamp_at
from daemon.watch.scanner import MANY, FoundFile, SkippedEntries, folders_in, walk
from storage.schema.file_stamps import FileStamp

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from daemon.watch.file_filter import FileFilter
    from daemon.watch.nested_mounts import NestedMounts
    from daemon.watch.scanner import FolderPart
    from storage.known_files import FileNumbers


class FileLookup(Protocol):
    """What is known of files; see `storage.known_files.KnownFiles`."""

    def in_folder(self, folder: str) -> Mapping[str, FileNumbers]:
        """Return the clips of a folder by their names."""

    def named(self, folder: str, names: Collection[str]) -> Mapping[str, FileNumbers]:
        """Return those of some names of a folder."""

    def count(self, folder: str) -> int:
        """Count the clips of a folder."""

    def names_in(self, folder: str) -> Iterator[str]:
        """Yield the names of the clips of a folder."""

    def queued(self, paths: Collection[str]) -> Mapping[str, FileStamp]:
        """Return the stamps of some files in the queue."""

    def folders_below(self, root: Path) -> Iterator[tuple[str, int]]:
        """Yield folders with clips, and their numbers."""

    def queue_below(self, root: Path) -> Iterator[str]:
        """Yield paths in the queue."""


class NothingKnown:
    """What is known while there is no catalogue."""

    def in_folder(self, folder: str) -> Mapping[str, FileNumbers]:
        """Return no clip."""
        del folder
        return {}

    def named(self, folder: str, names: Collection[str]) -> Mapping[str, FileNumbers]:
        """Return no clip."""
        del folder, names
        return {}

    def count(self, folder: str) -> int:
        """Count no clip."""
        del folder
        return 0

    def names_in(self, folder: str) -> Iterator[str]:
        """Yield no name."""
        del folder
        yield from ()

    def queued(self, paths: Collection[str]) -> Mapping[str, FileStamp]:
        """Return no stamp."""
        del paths
        return {}

    def folders_below(self, root: Path) -> Iterator[tuple[str, int]]:
        """Yield no folder."""
        del root
        yield from ()

    def queue_below(self, root: Path) -> Iterator[str]:
        """Yield no path."""
        del root
        yield from ()


@dataclass
class FolderComparison(SkippedEntries):
    """Folders compared with the catalogue.

    Attributes:
        new: files that neither the catalogue nor the queue knows in this state.
        known: number of files that one of them knows.
        restamped: known files that are certainly the same, with the stamps they have now.
        gone: known paths below these folders where there is no file any more.
        queued: number of new files that were taken out of `new`.
        roots: device and inode number of each root when it was scanned.
    """

    new: list[FoundFile] = field(default_factory=list)
    known: int = 0
    restamped: dict[Path, FileStamp] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    queued: int = 0
    roots: dict[Path, tuple[int, int] | None] = field(default_factory=dict)

    def replaced(self) -> list[Path]:
        """Return the roots that are other folders now, or away, so that nothing there is gone."""
        return [root for root, inode in self.roots.items() if folder_inode(root) != inode]


def compare(
    roots: list[Path], file_filter: FileFilter, known: FileLookup, mounts: NestedMounts
) -> FolderComparison:
    """Compare the files below the roots with those recorded and queued."""
    found = FolderComparison()
    for _ in comparing(found, roots, file_filter, known, mounts):
        pass
    return found


def comparing(
    found: FolderComparison,
    roots: list[Path],
    file_filter: FileFilter,
    known: FileLookup,
    mounts: NestedMounts,
    watch: Callable[[str], None] = lambda _: None,
) -> Iterator[None]:
    """Compare the files below the roots with those recorded and queued, in short steps.

    Files are not gone if their folder cannot be listed, or lay on a file system that is unmounted.

    Args:
        found: filled in; between two steps, what was found so far may be taken out of `new` and
            `restamped`.
        roots: the folders.
        file_filter: which names count.
        known: what catalogue and queue know.
        mounts: the file systems mounted inside the roots.
        watch: called with each folder, which ends in a slash, before it is listed.

    Yields:
        After each folder, or part of one that has many files.
    """
    mounts.refresh()
    run = _Comparing(file_filter, known, found, watch)
    for root in roots:
        yield from run.scan(root)
    for point in mounts.unmounted():
        run.check_mount(point, mounts)
    yield from run.find_gone(roots)


@dataclass
class _Comparing:
    """One comparison.

    Attributes:
        seen: the folders that were listed.
        gone: the names in each of them that are known and were not found.
        matched: number of files of the present folder that are known by their names.
    """

    file_filter: FileFilter
    known: FileLookup
    result: FolderComparison
    watch: Callable[[str], None]
    seen: set[str] = field(default_factory=set)
    gone: dict[str, list[str]] = field(default_factory=dict)
    matched: int = 0

    def scan(self, root: Path) -> Iterator[None]:
        """Compare the files at or below a folder."""
        if not is_folder(root) and (stamp := stamp_at(root)) is not None:
            folder, name = str(root.parent).rstrip("/") + "/", root.name
            found = FoundFile(root, stamp, root.lstat().st_ctime)
            waits = self.known.queued([str(root)]).get(str(root))
            self._add(found, self._stamp(folder, name), waits)
            return
        is_empty, is_seen = True, False
        self.result.roots[root] = folder_inode(root)
        for part in folders_in(root, self.file_filter, self.result, self.watch):
            is_empty = is_empty and not part.files
            if part.is_first:
                # Of two overlapping roots, the first has seen it.
                is_seen = part.folder in self.seen
                self.seen.add(part.folder)
            if not is_seen:
                yield from self._compare(part)
            yield
        if is_empty and not has_entries(root) and (count := self._count_below(root)):
            reason = f"empty, though {count} files are known in it; is its disk mounted?"
            self.result.unreadable.setdefault(root, reason)

    def check_mount(self, point: Path, mounts: NestedMounts) -> None:
        """Treat a former mount point without sound files as one whose disk is away."""
        # Checked again: the disk may still have been there when the folder was listed.
        has_sound = any(True for _ in walk(point, self.file_filter, SkippedEntries()))
        known = 0 if has_sound else self._count_below(point)
        if known:
            files = "the file" if known == 1 else f"the {known} files"
            reason = f"its disk is not mounted; nothing is forgotten of {files} on it"
            self.result.unreadable[point] = reason
        else:
            mounts.forget(point)

    def find_gone(self, roots: list[Path]) -> Iterator[None]:
        """Find what is known below the roots and was not found."""
        for root in self.result.replaced():
            self.result.unreadable.setdefault(
                root, "went away or was exchanged while it was compared"
            )
        hidden = tuple(f"{folder}/".replace("//", "/") for folder in self.result.unreadable)
        for root in dict.fromkeys(roots):
            if any(root != outer and root.is_relative_to(outer) for outer in roots):
                continue
            for folder, _ in self.known.folders_below(root):
                names = self.gone.get(folder, [])
                if folder not in self.seen:
                    names = list(self.known.names_in(folder))
                if names and not folder.startswith(hidden):
                    self.result.gone += [folder + name for name in names]
                yield
            for path in self.known.queue_below(root):
                if self._is_gone(path) and not path.startswith(hidden):
                    self.result.gone.append(path)
                yield

    def _is_gone(self, path: str) -> bool:
        """Tell whether a file of the queue, which is no clip, is not there any more."""
        start, slash, name = path.rpartition("/")
        folder = start + slash
        is_here = folder in self.seen and self.file_filter.allows_file(name)
        if is_here and stamp_at(Path(path)) is not None:
            return False
        return not self.known.named(folder, [name])

    def _compare(self, part: FolderPart) -> Iterator[None]:
        if part.is_first and part.is_last:
            known = dict(self.known.in_folder(part.folder))
            self._match(part, known)
            if known:
                self.gone[part.folder] = list(known)
            return
        found = self._match(part, dict(self.known.named(part.folder, part.files)))
        self.matched = found if part.is_first else self.matched + found
        if part.is_last and self.known.count(part.folder) != self.matched:
            yield from self._look_for_all(part.folder)

    def _match(self, part: FolderPart, known: dict[str, FileNumbers]) -> int:
        """Compare files with what is known, and remove them there; return how many there were."""
        before = len(known)
        changed: dict[str, FileStamp | None] = {}
        for name, stat in part.files.items():
            numbers = known.pop(name, None)
            if numbers == (stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns):
                self.result.known += 1
            else:
                changed[name] = None if numbers is None else FileStamp(*numbers)
        queued = self.known.queued([part.folder + name for name in changed])
        for name, recorded in changed.items():
            stat, path = part.files[name], part.folder + name
            found = FoundFile(Path(path), FileStamp.of(stat), stat.st_ctime)
            self._add(found, recorded, queued.get(path))
        return before - len(known)

    def _look_for_all(self, folder: str) -> Iterator[None]:
        """Find which of very many known files of a folder are gone, without a list of the rest."""
        gone = []
        for number, name in enumerate(self.known.names_in(folder)):
            if not self.file_filter.allows_file(name) or stamp_at(Path(folder + name)) is None:
                gone.append(name)
            if number % MANY == 0:
                yield
        self.gone[folder] = gone

    def _add(self, found: FoundFile, *earlier_stamps: FileStamp | None) -> None:
        earlier = [stamp for stamp in earlier_stamps if stamp is not None]
        if not any(stamp.holds_for(found.stamp) for stamp in earlier):
            self.result.new.append(found)
            return
        self.result.known += 1
        if found.stamp not in earlier:
            self.result.restamped[found.path] = found.stamp

    def _stamp(self, folder: str, name: str) -> FileStamp | None:
        numbers = self.known.named(folder, [name]).get(name)
        return None if numbers is None else FileStamp(*numbers)

    def _count_below(self, folder: Path) -> int:
        return sum(files for _, files in self.known.folders_below(folder))
