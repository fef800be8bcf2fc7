"""Finding sounds and rating tables in a folder that somebody else has arranged."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trainer.corpora.rated_clip import CorpusError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MOST_FILES: Final = 200_000

_SEPARATOR: Final = re.compile(r"[\s_.,()+-]")


def files_below(folder: Path) -> list[Path]:
    """Return every regular file below a folder, sorted, but for hidden ones and linked folders.

    Raises:
        CorpusError: the folder, or one in it, cannot be read; or it holds far too much.
    """
    found = []
    for path in _walked(folder):
        found.append(path)
        if len(found) > MOST_FILES:
            raise CorpusError(
                f"{folder}: more than {MOST_FILES} files; name the corpus's own folder"
            )
    return sorted(found)


def sounds_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Return every file below a folder that bears the suffix of sound.

    Args:
        folder: where to look.
        suffixes: in small letters, without their dots.

    Raises:
        CorpusError: there is none, or the folder cannot be read.
    """
    found = [path for path in files_below(folder) if path.suffix.lower().lstrip(".") in suffixes]
    if not found:
        raise CorpusError(f"{folder}: holds no sound file; put the sounds beside their ratings")
    return found


def named_after(
    folder: Path, sounds: Collection[Path], items: Collection[str]
) -> tuple[dict[str, list[str]], list[str]]:
    """Tell which sounds belong to which items of a table, by their names.

    A sound belongs to the item that its name is; where an item has no such sound, to the longest
    item that its name begins with.

    Args:
        folder: what the answer's paths are relative to.
        sounds: the files.
        items: as the table calls them.

    Returns:
        The sounds of each item that has any, and the sounds that belong to none.
    """
    spelled = {item.casefold(): item for item in items}
    exact: dict[str, list[str]] = {}
    begun: dict[str, list[str]] = {}
    unclaimed = []
    for sound in sounds:
        relative = sound.relative_to(folder).as_posix()
        whole, *beginnings = _names(sound.stem)
        item = next((spelled[name] for name in beginnings if name in spelled), None)
        if whole in spelled:
            exact.setdefault(spelled[whole], []).append(relative)
        elif item is not None:
            begun.setdefault(item, []).append(relative)
        else:
            unclaimed.append(relative)
    unclaimed += [path for item in begun.keys() & exact.keys() for path in begun[item]]
    return begun | exact, sorted(unclaimed)


def _names(stem: str) -> Iterator[str]:
    name = stem.casefold()
    yield name
    for found in reversed(list(_SEPARATOR.finditer(name))):
        yield name[: found.start()]


def _walked(folder: Path) -> Iterator[Path]:
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
