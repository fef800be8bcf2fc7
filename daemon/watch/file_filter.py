"""Selects sound files by name."""

from __future__ import annotations

import re
from fnmatch import translate
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class FileFilter:
    """The settings `watch.suffixes` and `watch.ignore`, compiled.

    Args:
        suffixes: endings without the dot, in lower case.
        ignore: shell patterns; a file or folder whose own name matches one is ignored.
    """

    def __init__(self, suffixes: Iterable[str], ignore: Iterable[str]) -> None:
        self._suffixes = frozenset("." + suffix for suffix in suffixes)
        patterns = [translate(pattern) for pattern in ignore]
        self._ignored = re.compile("|".join(patterns)) if patterns else None

    def allows_folder(self, name: str) -> bool:
        """Tell whether a folder of this name is scanned."""
        return self._ignored is None or self._ignored.match(name) is None

    def allows_file(self, name: str) -> bool:
        """Tell whether a file of this name is a sound file that is not ignored."""
        return PurePath(name).suffix.lower() in self._suffixes and self.allows_folder(name)

    def allows_below(self, path: PurePath, root: PurePath) -> bool:
        """Tell whether a file below a watched folder is allowed, with every folder between."""
        *folders, name = path.relative_to(root).parts
        return self.allows_file(name) and all(map(self.allows_folder, folders))
