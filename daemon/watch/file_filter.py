"""Decides by name alone which files are taken for sound."""

from __future__ import annotations

import re
from fnmatch import translate
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class FileFilter:
    """The settings `watch.suffixes` and `watch.ignore`, ready to be asked.

    Args:
        suffixes: endings without the dot, in lower case.
        ignore: shell patterns; a file or folder whose own name matches one is left alone.
    """

    def __init__(self, suffixes: Iterable[str], ignore: Iterable[str]) -> None:
        self._suffixes = frozenset("." + suffix for suffix in suffixes)
        patterns = [translate(pattern) for pattern in ignore]
        self._ignored = re.compile("|".join(patterns)) if patterns else None

    def enters(self, folder_name: str) -> bool:
        """Tell whether a folder of this name is looked into."""
        return self._ignored is None or self._ignored.match(folder_name) is None

    def admits(self, file_name: str) -> bool:
        """Tell whether a file of this name is taken for sound."""
        return PurePath(file_name).suffix.lower() in self._suffixes and self.enters(file_name)

    def admits_below(self, path: PurePath, root: PurePath) -> bool:
        """Tell the same of a path below a watched folder, every folder on the way included."""
        *folders, name = path.relative_to(root).parts
        return self.admits(name) and all(self.enters(folder) for folder in folders)
