"""Selects sound files by name."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import PurePath


_WILD: Final = frozenset("*?[")


class FileFilter:
    """The settings `watch.suffixes` and `watch.ignore`, compiled.

    Args:
        suffixes: endings without the dot, in lower case.
        ignore: shell patterns; a file or folder whose own name matches one is ignored.
    """

    def __init__(self, suffixes: Iterable[str], ignore: Iterable[str]) -> None:
        self._suffixes = frozenset("." + suffix for suffix in suffixes)
        ends, starts, others = [], [], []
        for pattern in ignore:
            # Nearly all are of two simple kinds, and a scan tries all of them on every name.
            if not _WILD.intersection(pattern[1:]) and pattern.startswith("*"):
                ends.append(pattern[1:])
            elif not _WILD.intersection(pattern[:-1]) and pattern.endswith("*"):
                starts.append(pattern[:-1])
            else:
                others.append(translate(pattern))
        self._ends, self._starts = tuple(ends), tuple(starts)
        self._ignored = re.compile("|".join(others)) if others else None

    def allows_folder(self, name: str) -> bool:
        """Tell whether a folder of this name is scanned."""
        if name.endswith(self._ends) or name.startswith(self._starts):
            return False
        return self._ignored is None or self._ignored.match(name) is None

    def allows_file(self, name: str) -> bool:
        """Tell whether a file of this name is a sound file that is not ignored."""
        dot = name.rfind(".")
        return dot > 0 and name[dot:].lower() in self._suffixes and self.allows_folder(name)

    def allows_below(self, path: PurePath, root: PurePath) -> bool:
        """Tell whether a file below a watched folder is allowed, with every folder between."""
        *folders, name = path.relative_to(root).parts
        return self.allows_file(name) and all(map(self.allows_folder, folders))
