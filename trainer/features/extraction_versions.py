"""What extracted features depend on, by which machines that share the work are compared."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_LIBRARIES: Final = ("valenced", "opensmile", "av", "numpy")
_TRAINER: Final = Path(__file__).parents[1]
_CODE: Final = ("audio", "features")


def extraction_versions() -> dict[str, str]:
    """Return the versions of everything that decodes and describes sound, by name.

    The code itself, with openSMILE's configuration, counts by its checksum: two checkouts of one
    version can differ.
    """
    return {"extraction code": _code(), **_libraries()}


@cache
def _code() -> str:
    checksum = hashlib.sha256()
    for folder in _CODE:
        for file in sorted((_TRAINER / folder).rglob("*")):
            if file.suffix in {".py", ".conf", ".inc"}:
                raw = file.read_bytes()
                name = file.relative_to(_TRAINER).as_posix()
                checksum.update(f"{name} {len(raw)}\n".encode() + raw)
    return checksum.hexdigest()[:16]


@cache
def _libraries() -> dict[str, str]:
    return {name: _version(name) for name in _LIBRARIES}


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"
