"""A small library in two watched folders, whose files are moved and fought for."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from daemon.pipeline.contests import MOST_CONTESTS
from daemon.pipeline.tag_sync import MOVED_HERE
from daemon.service_errors import TagWriteError
from daemon.tagging.basics import keys
from daemon.watch.file_state import stamp_at
from storage.schema.records import TagState
from tests.daemon.pipeline.tagged_library import Expected, Library, titled
from tests.daemon.tagging.memory import put

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from storage.catalogue import Catalogue
    from storage.schema.file_stamps import FileStamp
    from storage.schema.records import Clip

FOREIGN_MARK: Final = "bundle=test-1; version=0.1.0; at=2020-01-01T00:00:00Z; keys="
"""The mark of a service with another catalogue, without the keys that are its own."""


class MovingLibrary(Library):
    """Two watched folders and one that nobody watches; moves are made without a look at them."""

    def __init__(self, folder: Path, catalogue: Catalogue) -> None:
        super().__init__(folder / "watched", catalogue)
        self._outside = folder / "elsewhere"
        self.folders = [folder / "watched" / name for name in ("one", "two")]
        for each in (*self.folders, self._outside):
            each.mkdir(parents=True)
        self.away: list[tuple[Path, Expected]] = []

    def change(self, path: Path, edit: Callable[[bytes], bytes]) -> None:
        """Let another program edit a file, after a look at it if it was moved since the last."""
        self._look_if_doubtful(path, path)
        super().change(path, edit)

    def edit_our_value(self, path: Path) -> None:
        """Let a person change a value, as `change`."""
        self._look_if_doubtful(path, path)
        super().edit_our_value(path)

    def shift(self, path: Path, to: Path) -> None:
        """Rename a file, maybe over another, whatever happened to it since the last look."""
        self._look_if_doubtful(path, to)
        path.rename(to)
        self._moved(path, to)

    def edit_and_shift(self, path: Path, to: Path, text: str) -> None:
        """Edit a file in place, then rename it to a name that is free."""
        if self.catalogue.clip_at(to) is not None or to in self.expected:
            return
        self._look_if_doubtful(path, to)
        self.change(path, lambda old: titled(old, text))
        path.rename(to)
        self._moved(path, to)

    def carry(self, path: Path, to: Path) -> None:
        """Move a file as to another disk: copied with its times, then deleted."""
        self.scan()
        if self.catalogue.clip_at(to) is not None:
            return
        shutil.copy2(path, to)
        path.unlink()
        self._moved(path, to)
        self.scan()

    def swap(self, one: Path, other: Path) -> None:
        """Let two files exchange their names."""
        if one == other:
            return
        self._look_if_doubtful(one, other)
        self._look_if_doubtful(other, one)
        between = self._outside / "between"
        one.rename(between)
        other.rename(one)
        between.rename(other)
        expected = self.expected
        expected[one], expected[other] = expected[other], expected[one]
        for path in (one, other):
            self._kept.pop(path, None)

    def follow(self, one: Path, other: Path, free: Path) -> None:
        """Give a file another name, and its old name to another file, as in renumbering."""
        if len({one, other, free}) == 3:
            self.shift(one, free)
            self.shift(other, one)

    def take_out(self, path: Path) -> None:
        """Move a file out of the watched folders."""
        if len(self.expected) == 1:
            return
        self.scan()
        place = self._outside / f"{path.stat().st_ino}"
        path.rename(place)
        self.away.append((place, self.expected.pop(path)))

    def bring_back(self, to: Path, text: str = "") -> None:
        """Move the file back that was taken out first, under some name.

        It may be edited meanwhile if no other file had that name.
        """
        if not self.away or (text and self.catalogue.clip_at(to) is not None):
            return
        known = self.catalogue.clip_at(to)
        if known is not None and self._is_moved_and_changed(known):
            self.scan()
        place, expected = self.away.pop(0)
        if not self.catalogue.clips_with_inode(place.stat().st_ino):
            # Another file with its sound came to its old name, and was taken for it.
            return
        place.rename(to)
        self.expected[to] = expected
        self._kept.pop(to, None)
        if text:
            self.change(to, lambda old: titled(old, text))

    def fight(self, path: Path, rounds: int, edit: Callable[[Path], None]) -> None:
        """Let another program change our tags after each of our writes, all within seconds."""
        self.scan()
        clip = self.clip(path)
        if clip.tag_state is not TagState.WRITTEN:
            return
        self.is_busy = True
        writes = 0
        for _ in range(rounds):
            edit(path)
            theirs = path.stat().st_ino
            self.scan()
            writes += path.stat().st_ino != theirs
        self.is_busy = False
        assert writes <= MOST_CONTESTS + 1

    def claim(self, path: Path) -> None:
        """Let a service with another catalogue write a value over one of ours."""
        ours = keys.owned_keys(self.items(path)) - {keys.PROVENANCE, keys.MOOD}
        if ours:
            key = min(ours)
            theirs = {key: ["0"], keys.PROVENANCE: [FOREIGN_MARK + key]}
            path.write_bytes(put(path.read_bytes(), theirs))
            self.expected[path].is_exact = False

    def keep(self, path: Path) -> None:
        """Make a backup of a file, unless its mark names fewer of our values than there are."""
        marks = self.items(path).get(keys.PROVENANCE, [])
        if not any(mark.startswith(FOREIGN_MARK) for mark in marks):
            super().keep(path)

    def asked(self, path: Path, do: Callable[[Path], None]) -> None:
        """Do something with the file at a path; look first if another file was moved there."""
        try:
            do(path)
        except TagWriteError as error:
            if not error.reason.endswith(MOVED_HERE.removeprefix("{}")):
                raise
            self.scan()
            do(path)

    def check_files(self) -> None:
        """Check, after a look, that the catalogue knows each file that is there, and no other."""
        known = {clip.path for clip in self.catalogue.clips_below(self._folder)}
        empty = [folder for folder in self.folders if not any(folder.iterdir())]
        known = {path for path in known if path.parent not in empty}
        assert known == self.expected.keys()

    def _look_if_doubtful(self, path: Path, to: Path) -> None:
        """Look at the library if nothing could tell later which file was renamed.

        That is a file that was replaced since the last look, or changed as well as moved, where the
        new name or the old one was that of another file with its sound.
        """
        clip = self.catalogue.clip_at(path)
        there = stamp_at(path)
        assert there is not None
        is_known = clip is not None and clip.stamp.inode == there.inode
        taken = None if to == path else self.catalogue.clip_at(to)
        if clip is not None and taken is not None:
            is_known &= _is_as_large_and_old(clip, there)
        if not is_known or (taken is not None and self._is_moved_and_changed(taken)):
            self.scan()

    def _is_moved_and_changed(self, clip: Clip) -> bool:
        stamps = [stamp for path in self.files() if path != clip.path and (stamp := stamp_at(path))]
        mine = [stamp for stamp in stamps if stamp.inode == clip.stamp.inode]
        return not all(_is_as_large_and_old(clip, stamp) for stamp in mine)

    def _moved(self, path: Path, to: Path) -> None:
        self.expected[to] = self.expected.pop(path)
        self._kept.pop(to, None)


def _is_as_large_and_old(clip: Clip, there: FileStamp) -> bool:
    return (clip.stamp.size, clip.stamp.mtime_ns) == (there.size, there.mtime_ns)
