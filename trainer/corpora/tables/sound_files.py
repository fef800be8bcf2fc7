"""Finding sounds in the folder of a data set, and matching them to the items of its table."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from trainer.corpora.rated_clip import CorpusError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

MOST_FILES: Final = 200_000

_SEPARATOR: Final = re.compile(r"[\s_.,()+-]")


class SoundFiles(NamedTuple):
    """The sound files of each item that has any, and the files that match no item."""

    by_item: Mapping[str, Sequence[str]]
    unmatched: Sequence[str] = ()


def files_below(folder: Path) -> list[Path]:
    """Return every regular file below a folder, sorted, without hidden ones and linked folders.

    Raises:
        CorpusError: the folder, or one in it, cannot be read; or it holds too many files.
    """
    found = []
    for path in _walk(folder):
        found.append(path)
        if len(found) > MOST_FILES:
            raise CorpusError(
                f"{folder}: more than {MOST_FILES} files; give the folder of the data set itself"
            )
    return sorted(found)


def sounds_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return every file below a folder that has one of the suffixes (lower case, without dots).

    Raises:
        CorpusError: there is none, or the folder cannot be read.
    """
    found = [path for path in files_below(folder) if path.suffix.lower().lstrip(".") in suffixes]
    if not found:
        raise CorpusError(f"{folder}: no sound file found; put the sounds beside their ratings")
    return found


def match_sounds(folder: Path, sounds: Collection[Path], items: Collection[str]) -> SoundFiles:
    """Match sounds below a folder to the items of a table by name.

    A sound belongs to the item with exactly its name, regardless of case. An item without such a
    sound gets those whose names begin with it and with no longer item. Paths are relative to the
    folder.
    """
    spelled = {item.casefold(): item for item in items}
    exact: dict[str, list[str]] = {}
    prefixed: dict[str, list[str]] = {}
    unmatched = []
    for sound in sounds:
        relative = sound.relative_to(folder).as_posix()
        name, *prefixes = _prefixes(sound.stem)
        item = next((spelled[prefix] for prefix in prefixes if prefix in spelled), None)
        if name in spelled:
            exact.setdefault(spelled[name], []).append(relative)
        elif item is not None:
            prefixed.setdefault(item, []).append(relative)
        else:
            unmatched.append(relative)
    unmatched += [path for item in prefixed.keys() & exact.keys() for path in prefixed[item]]
    return SoundFiles(prefixed | exact, sorted(unmatched))


def _prefixes(stem: str) -> Iterator[str]:
    name = stem.casefold()
    yield name
    for found in reversed(list(_SEPARATOR.finditer(name))):
        yield name[: found.start()]


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise CorpusError(f"{error.filename}: {error.strerror}") from error

    if not folder.is_dir():
        raise CorpusError(f"{folder}: no such folder")
    for directory, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(directory, name)
            if not name.startswith(".") and path.is_file():
                yield path
