"""Other programs at work in the watched folders, and what each file must hold in the end."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import mutagen
from mutagen.id3 import TIT2
from mutagen.wave import WAVE

from tests.torture.sound_factory import KINDS, FileContent, SoundFactory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from random import Random

LONGEST_PAUSE_S = 0.06
ALBUMS = 3
BAD_SHARE = 0.03
FINISH_SHARE = 0.25
MOST_PARTIAL = 10
ACTIONS = {
    "rename": 0.1,
    "move": 0.08,
    "move an album": 0.01,
    "replace": 0.1,
    "rewrite": 0.08,
    "copy": 0.06,
    "delete": 0.05,
    "edit tags": 0.15,
}
"""What happens besides new files, and how often for each new file."""


@dataclass(frozen=True)
class ExpectedFile:
    """What a file must hold: its audio, None if it has none, and the title an editor gave it."""

    identity: str | None
    title: str | None = None


@dataclass(frozen=True)
class PartialFile:
    """A file that a program has open and of which only a part is written."""

    file: IO[bytes]
    rest: bytes
    path: Path
    final: Path
    expected: ExpectedFile


class FileActivity:
    """Writes, renames, replaces, edits and deletes files while the service runs.

    Args:
        folders: the watched ones.
        factory: makes new sounds.
        rng: decides what happens.
        albums: how many folders are made in each of them.

    Attributes:
        expected: what each existing file must hold.
        done: how often each action was taken.
    """

    def __init__(
        self, folders: Sequence[Path], factory: SoundFactory, rng: Random, albums: int = ALBUMS
    ) -> None:
        self._albums = [folder / f"album {n}" for folder in folders for n in range(albums)]
        self._folders = folders
        self._factory = factory
        self._rng = rng
        self._partial: list[PartialFile] = []
        self._number = 0
        self.expected: dict[Path, ExpectedFile] = {}
        self.done: Counter[str] = Counter()
        for album in self._albums:
            album.mkdir(parents=True)

    def act(self, action: str) -> None:
        """Take one action, after a pause."""
        time.sleep(self._rng.uniform(0, LONGEST_PAUSE_S))
        is_full = len(self._partial) >= MOST_PARTIAL
        if is_full or (self._partial and self._rng.random() < FINISH_SHARE):
            self._finish(self._partial.pop(0))
        getattr(self, "_" + action.replace(" ", "_"))()
        self.done[action] += 1

    def finish(self) -> None:
        """Complete all partial files."""
        while self._partial:
            self._finish(self._partial.pop(0))

    def _arrive(self) -> None:
        kind = self._rng.choice(KINDS)
        bad = self._rng.random() < BAD_SHARE
        made = self._factory.text() if bad else self._factory.sound(kind)
        how = self._rng.choice(
            ["at once", "in halves", "under a temporary name", "slowly under a temporary name"]
        )
        path = self._new_path(f".{kind}")
        self.done[f"arrive {how}"] += 1
        self.done["arrive bad"] += bad
        if how == "at once":
            path.write_bytes(made.content)
            self.expected[path] = ExpectedFile(made.identity)
        elif how == "in halves":
            self._begin(path, path, made)
        else:
            dotted = self._rng.random() < 0.5
            name = f".{path.name}.Xy12Zw" if dotted else f"{path.name}.part"
            self._begin(path.with_name(name), path, made)
            if how == "under a temporary name":
                self._finish(self._partial.pop())

    def _rename(self) -> None:
        path = self._any()
        self._move_to(path, path.with_name(self._new_path(path.suffix).name))

    def _move(self) -> None:
        path = self._any()
        self._move_to(path, self._new_path(path.suffix))

    def _move_an_album(self) -> None:
        used = {partial.path.parent for partial in self._partial}
        album = self._rng.choice([album for album in self._albums if album not in used] or [None])
        if album is None:
            return
        self._number += 1
        new = self._rng.choice(self._folders) / f"album {self._number} moved"
        album.rename(new)
        self._albums[self._albums.index(album)] = new
        for path in [path for path in self.expected if path.parent == album]:
            self.expected[new / path.name] = self.expected.pop(path)

    def _replace(self) -> None:
        path = self._any()
        made = self._factory.sound(path.suffix[1:])
        self._begin(path.with_name(f".{path.name}.tmp"), path, made)
        self._finish(self._partial.pop())

    def _rewrite(self) -> None:
        path = self._any()
        made = self._factory.sound(path.suffix[1:])
        del self.expected[path]
        self._begin(path, path, made)
        if self._rng.random() < 0.5:
            self._finish(self._partial.pop())

    def _copy(self) -> None:
        path = self._any()
        new = self._new_path(path.suffix)
        shutil.copyfile(path, new)
        self.expected[new] = self.expected[path]

    def _delete(self) -> None:
        path = self._any()
        path.unlink()
        del self.expected[path]

    def _edit_tags(self) -> None:
        path = self._any(sound=True)
        self._number += 1
        title = f"title {self._number}"
        edit_title(path, title)
        self.expected[path] = ExpectedFile(self.expected[path].identity, title)

    def _move_to(self, path: Path, new: Path) -> None:
        path.rename(new)
        self.expected[new] = self.expected.pop(path)

    def _begin(self, path: Path, final: Path, made: FileContent) -> None:
        half = self._rng.randrange(1, len(made.content))
        file = path.open("wb", buffering=0)
        file.write(made.content[:half])
        expected = ExpectedFile(made.identity)
        self._partial.append(PartialFile(file, made.content[half:], path, final, expected))

    def _finish(self, partial: PartialFile) -> None:
        partial.file.write(partial.rest)
        partial.file.close()
        if partial.path != partial.final:
            partial.path.rename(partial.final)
        self.expected[partial.final] = partial.expected

    def _any(self, *, sound: bool = False) -> Path:
        while True:
            paths = [path for path, file in self.expected.items() if file.identity or not sound]
            if paths:
                return self._rng.choice(paths)
            self._arrive()

    def _new_path(self, suffix: str) -> Path:
        self._number += 1
        folder = self._rng.choice([*self._folders, *self._albums])
        return folder / f"{self._number}{suffix}"


def planned(files: int, rng: Random, shares: Mapping[str, float] = ACTIONS) -> list[str]:
    """Return all actions of a run in random order: the arrivals and what else happens."""
    actions = ["arrive"] * files
    for action, share in shares.items():
        actions += [action] * max(round(files * share), 1)
    rng.shuffle(actions)
    return actions


def share_of(actions: Sequence[str], number: int, count: int) -> Sequence[str]:
    """Return the actions of one of `count` equal parts of a run."""
    return actions[number * len(actions) // count : (number + 1) * len(actions) // count]


def edit_title(path: Path, title: str) -> None:
    """Edit a title as a tag editor does."""
    file = _opened(path)
    if file.tags is None:
        file.add_tags()
    if isinstance(file, WAVE):
        frames: Any = file.tags
        frames.add(TIT2(encoding=3, text=[title]))  # type: ignore[no-untyped-call]
    else:
        file["title"] = [title]
    file.save()


def title_of(path: Path) -> str | None:
    """Read the title as a player does."""
    file = _opened(path)
    if file.tags is None:
        return None
    if isinstance(file, WAVE):
        return str(file.tags["TIT2"].text[0]) if "TIT2" in file.tags else None
    return str(file["title"][0]) if "title" in file else None


def _opened(path: Path) -> Any:
    return mutagen.File(path, easy=True)
