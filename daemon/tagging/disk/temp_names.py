"""The names of our temporary files, by which scans ignore them and clean-up finds them."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TEMPORARY = re.compile(r"\.valenced-[0-9a-f]{16}(?:\.\d+\.\d+)?\.(?:tmp|rescue)")
_START = ".valenced-"
_RESCUE = ".rescue"


def is_temporary(name: str) -> bool:
    """Tell whether a file name, without folders, is one of our temporary names."""
    # Nearly every name is another, and a scan asks for each.
    return name.startswith(_START) and _TEMPORARY.fullmatch(name) is not None


def new_temporary() -> str:
    """Return an unused name; it is short, whatever the length of the sound's own name."""
    return f".valenced-{secrets.token_hex(8)}.tmp"


def rescue_of(temporary: str) -> str:
    """Return the name of a proven copy while its original is written in place."""
    return temporary.removesuffix(".tmp") + _RESCUE


def temporary_of(rescue: str) -> str:
    """Return the name that a rescue copy had at first."""
    return rescue.removesuffix(_RESCUE) + ".tmp"


def is_rescue(name: str) -> bool:
    """Tell whether a temporary name is that of a rescue copy; earlier releases put more into it."""
    return is_temporary(name) and name.endswith(_RESCUE)


def sidecar_of(path: Path) -> Path:
    """Return the sidecar's path of a sound file."""
    return path.with_name(f"{path.name}.valenced.json")
