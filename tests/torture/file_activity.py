"""Everybody else at work in the watched folders, and what they know to be true of the files."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import mutagen
from mutagen.id3 import TIT2
from mutagen.wave import WAVE

from tests.torture.sound_factory import KINDS, Made, Stock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from random import Random

PACE_S = 0.06
ALBUMS = 3
BAD_SHARE = 0.03
SLOW_SHARE = 0.25
ACTS = {
    "rename": 0.1,
    "move": 0.08,
    "move an album": 0.01,
    "replace": 0.1,
    "rewrite": 0.08,
    "copy": 0.06,
    "delete": 0.05,
    "edit tags": 0.15,
}
"""What happens to files besides that they arrive, for each that does."""


@dataclass(frozen=True)
class Truth:
    """What one file holds: its audio, None if it has none, and the title somebody gave it."""

    identity: str | None
    title: str | None = None


@dataclass(frozen=True)
class Unfinished:
    """A file of which only a part is written; somebody has it open."""

    file: IO[bytes]
    rest: bytes
    path: Path
    final: Path
    truth: Truth


class Others:
    """Programs that write, rename, replace, edit and delete while the service is at work.

    Args:
        folders: the watched ones.
        stock: where new sounds come from.
        rng: decides what happens.
    """

    def __init__(self, folders: Sequence[Path], stock: Stock, rng: Random) -> None:
        self._albums = [folder / f"album {n}" for folder in folders for n in range(ALBUMS)]
        self._folders = folders
        self._stock = stock
        self._rng = rng
        self._unfinished: list[Unfinished] = []
        self._number = 0
        self.truths: dict[Path, Truth] = {}
        self.done: Counter[str] = Counter()
        for album in self._albums:
            album.mkdir(parents=True)

    def act(self, what: str) -> None:
        """Do one thing, after a pause."""
        time.sleep(self._rng.uniform(0, PACE_S))
        if self._unfinished and self._rng.random() < SLOW_SHARE:
            self._finish(self._unfinished.pop(0))
        getattr(self, "_" + what.replace(" ", "_"))()
        self.done[what] += 1

    def leave(self) -> None:
        """Finish what is half written."""
        while self._unfinished:
            self._finish(self._unfinished.pop(0))

    def _arrive(self) -> None:
        kind = self._rng.choice(KINDS)
        bad = self._rng.random() < BAD_SHARE
        made = self._stock.letter() if bad else self._stock.sound(kind)
        manner = self._rng.choice(["whole", "in halves", "under a temporary name", "slowly so"])
        path = self._new_path(f".{kind}")
        self.done[f"arrive {manner}"] += 1
        self.done["arrive bad"] += bad
        if manner == "whole":
            path.write_bytes(made.content)
            self.truths[path] = Truth(made.identity)
        elif manner == "in halves":
            self._begin(path, path, made)
        else:
            dotted = self._rng.random() < 0.5
            name = f".{path.name}.Xy12Zw" if dotted else f"{path.name}.part"
            self._begin(path.with_name(name), path, made)
            if manner == "under a temporary name":
                self._finish(self._unfinished.pop())

    def _rename(self) -> None:
        path = self._any()
        self._shift(path, path.with_name(self._new_path(path.suffix).name))

    def _move(self) -> None:
        path = self._any()
        self._shift(path, self._new_path(path.suffix))

    def _move_an_album(self) -> None:
        used = {unfinished.path.parent for unfinished in self._unfinished}
        album = self._rng.choice([album for album in self._albums if album not in used] or [None])
        if album is None:
            return
        self._number += 1
        new = self._rng.choice(self._folders) / f"album {self._number} moved"
        album.rename(new)
        self._albums[self._albums.index(album)] = new
        for path in [path for path in self.truths if path.parent == album]:
            self.truths[new / path.name] = self.truths.pop(path)

    def _replace(self) -> None:
        path = self._any()
        made = self._stock.sound(path.suffix[1:])
        self._begin(path.with_name(f".{path.name}.tmp"), path, made)
        self._finish(self._unfinished.pop())

    def _rewrite(self) -> None:
        path = self._any()
        made = self._stock.sound(path.suffix[1:])
        del self.truths[path]
        self._begin(path, path, made)
        if self._rng.random() < 0.5:
            self._finish(self._unfinished.pop())

    def _copy(self) -> None:
        path = self._any()
        new = self._new_path(path.suffix)
        shutil.copyfile(path, new)
        self.truths[new] = self.truths[path]

    def _delete(self) -> None:
        path = self._any()
        path.unlink()
        del self.truths[path]

    def _edit_tags(self) -> None:
        path = self._any(sound=True)
        self._number += 1
        title = f"title {self._number}"
        edit_title(path, title)
        self.truths[path] = Truth(self.truths[path].identity, title)

    def _shift(self, path: Path, new: Path) -> None:
        path.rename(new)
        self.truths[new] = self.truths.pop(path)

    def _begin(self, path: Path, final: Path, made: Made) -> None:
        half = self._rng.randrange(1, len(made.content))
        file = path.open("wb", buffering=0)
        file.write(made.content[:half])
        truth = Truth(made.identity)
        self._unfinished.append(Unfinished(file, made.content[half:], path, final, truth))

    def _finish(self, unfinished: Unfinished) -> None:
        unfinished.file.write(unfinished.rest)
        unfinished.file.close()
        if unfinished.path != unfinished.final:
            unfinished.path.rename(unfinished.final)
        self.truths[unfinished.final] = unfinished.truth

    def _any(self, *, sound: bool = False) -> Path:
        while True:
            paths = [path for path, truth in self.truths.items() if truth.identity or not sound]
            if paths:
                return self._rng.choice(paths)
            self._arrive()

    def _new_path(self, suffix: str) -> Path:
        self._number += 1
        folder = self._rng.choice([*self._folders, *self._albums])
        return folder / f"{self._number}{suffix}"


def planned(files: int, rng: Random, shares: Mapping[str, float] = ACTS) -> list[str]:
    """Return what shall happen besides that files arrive, in an order of chance."""
    acts = ["arrive"] * files
    for what, share in shares.items():
        acts += [what] * max(round(files * share), 1)
    rng.shuffle(acts)
    return acts


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
