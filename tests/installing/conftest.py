from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import ROOT
from tests.sounds import music_like, write_audio

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent


def context() -> list[str]:
    """Return what of the repository a build of the image gets, and so suffices for the wheel."""
    lines = (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    return [line[1:] for line in lines if line.startswith("!")]


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of the repository that an installation needs."""
    folder = tmp_path_factory.mktemp("checkout")
    also = {"Makefile", "Containerfile", "compose.yaml", ".containerignore"}
    for path in subprocess.run(
        ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")[:-1]:
        name = os.fsdecode(path)
        if name.split("/")[0] in {*context(), *also} and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


@pytest.fixture(scope="session")
def dist(checkout: Path) -> Path:
    """Return a folder with what `make wheel` makes."""
    (checkout / ".venv").symlink_to(BIN.parent)
    # The environment is there: only the commands of the target itself are to run.
    stamps = ("--assume-old=.venv/.run", "--assume-old=.venv/bin/python")
    line = ["make", "-C", str(checkout), "wheel", *stamps, f"BIN={BIN}"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout / "dist"


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Make the home of a user whose folder Music has one sound."""
    made = tmp_path / "home"
    (made / "Music").mkdir(parents=True)
    write_audio(made / "Music" / "song.flac", music_like(6.0))
    yield made
    # An environment takes 700 MB, of memory where the files of tests lie there.
    shutil.rmtree(made)
