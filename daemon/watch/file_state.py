"""Looks up a path without raising: its stamp, whether it is a folder or certainly gone."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from storage.schema.file_stamps import FileStamp

if TYPE_CHECKING:
    from pathlib import Path


def stamp_at(path: Path) -> FileStamp | None:
    """Return the stamp of the regular file at a path, None if no such file can be seen there."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return FileStamp.of(found) if stat.S_ISREG(found.st_mode) else None


def is_folder(path: Path) -> bool:
    """Tell whether a path is a folder, not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def has_entries(folder: Path) -> bool:
    """Tell whether there is anything in a folder, or it cannot be known."""
    try:
        return any(True for _ in folder.iterdir())
    except OSError:
        return True


def is_no_folder(path: Path) -> bool:
    """Tell whether there is certainly no folder at a path; what cannot be seen may be one."""
    try:
        return not stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def folder_inode(path: Path) -> tuple[int, int] | None:
    """Return device and number of the inode of a folder, None if there is none to be seen."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_gone(path: Path) -> bool:
    """Tell whether there is certainly nothing at a path; what cannot be seen may still exist."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
