"""The names of our temporary files, by which scans ignore them and clean-up finds them."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TEMPORARY = re.compile(r"\.valenced-[0-9a-f]{16}(?:\.\d+\.\d+)?\.(?:tmp|rescue)")
_RESCUE = re.compile(r"\.valenced-[0-9a-f]{16}\.(\d+)\.(\d+)\.rescue")


def is_temporary(name: str) -> bool:
    """Tell whether a file name, without folders, is one of our temporary names."""
    return _TEMPORARY.fullmatch(name) is not None


def new_temporary(folder: Path) -> Path:
    """Return an unused name; it is short, whatever the length of the sound's own name."""
    return folder / f".valenced-{secrets.token_hex(8)}.tmp"


def rescue_of(temporary: Path, inode: int, size: int) -> Path:
    """Return the name of a proven copy while its original, of that inode and size, is written."""
    return temporary.with_name(f"{temporary.name.removesuffix('.tmp')}.{inode}.{size}.rescue")


def rescued(name: str) -> tuple[int, int] | None:
    """Return inode and size from the name of a rescue copy; None for any other name."""
    match = _RESCUE.fullmatch(name)
    return (int(match[1]), int(match[2])) if match else None


def sidecar_of(path: Path) -> Path:
    """Return the sidecar's path of a sound file."""
    return path.with_name(f"{path.name}.valenced.json")
