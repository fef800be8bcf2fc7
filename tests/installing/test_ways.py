"""The ways of installing that docs/installing.md gives, each tried in an empty home."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.installing.documented import commands_of, is_tagged, run

BIN = Path(sys.executable).parent
CACHES = {
    "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", "~/.cache/uv"),
    "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", "~/.cache/pip"),
}
"""Where packages that were fetched before are found again, whatever the home."""

pytestmark = pytest.mark.xdist_group("wheel")


def environment(home: Path, *programs: str) -> dict[str, str]:
    """Return variables of a user who has Python and the programs, and has installed nothing."""
    tools = home / "tools"
    tools.mkdir()
    (tools / "python3").symlink_to(Path(sys.base_prefix, "bin", "python3"))
    for program in programs:
        (tools / program).symlink_to(BIN / program)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XDG_", "VALENCED_", "PIPX_", "UV_", "VIRTUAL_", "PYTHON"))
    }
    caches = {name: str(Path(value).expanduser()) for name, value in CACHES.items()}
    path = f"{home}/.local/bin:{tools}:/usr/local/bin:/usr/bin:/bin"
    return kept | caches | {"HOME": str(home), "PATH": path, "UV_PYTHON_DOWNLOADS": "never"}


def install_and_scan(way: str, dist: Path, home: Path, *programs: str) -> dict[str, str]:
    """Run both commands, and return the variables with which they ran."""
    install, scan = commands_of(way)
    made, _, install = install.partition(" && ")
    assert made == "make wheel"  # which the fixture has run
    variables = environment(home, *programs)
    run(install, dist.parent, variables)
    run(scan, home, variables)
    assert is_tagged(home / "Music" / "song.flac")
    return variables


def test_with_pip(dist: Path, home: Path) -> None:
    variables = install_and_scan("With pip", dist, home)
    assert "No broken requirements" in run("valenced/bin/pip check", home, variables)


def test_with_pipx(dist: Path, home: Path) -> None:
    # It installs with uv where that is found, and by pip otherwise.
    install_and_scan("With pipx", dist, home, "pipx", "uv")
    assert (home / ".local" / "share" / "man" / "man1" / "valenced-query.1").is_file()


def test_with_uv(dist: Path, home: Path) -> None:
    install_and_scan("With uv", dist, home, "uv")
    shared = (home / ".local" / "bin" / "valenced").resolve().parents[1] / "share"
    assert (shared / "man" / "man1" / "valenced-query.1").is_file()
    assert (shared / "valenced" / "systemd" / "valenced.service").is_file()
