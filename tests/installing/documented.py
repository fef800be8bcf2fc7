"""The commands that docs/installing.md gives, and whether they did what they promise."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import mutagen
import pytest

from tests.docs.pages import ROOT, Page, page_at

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OFFLINE = re.compile(
    "Failed to establish a new connection|Temporary failure in name resolution|dns error"
)
"""What pip and uv say where no index of packages is reached."""


def commands_of(way: str, block: int = 0) -> list[str]:
    """Return the lines of a block below a heading of the page."""
    text = page_at(ROOT / "docs" / "installing.md").text
    section = text.partition(f"## {way}\n")[2].partition("\n## ")[0]
    return [line.strip() for line in Page(ROOT, section).blocks[block].splitlines()]


def run(line: str, folder: Path, variables: Mapping[str, str]) -> str:
    """Run a line in a shell, and return its answer."""
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    if unreached := OFFLINE.search(done.stderr):
        pytest.skip(f"packages cannot be fetched here: {unreached[0]}")
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def is_tagged(sound: Path) -> bool:
    """Tell whether a sound has our tags."""
    return {"mood_arousal", "mood_valence", "valenced"} <= {n.lower() for n in mutagen.File(sound)}
