from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

CONFINED = """
import os, socket, sys
from trainer.audio.sandbox import confine
whole = confine(512)
path = sys.argv[1]
try:
    {attempt}
except (OSError, MemoryError) as error:
    print("refused" if whole else "no landlock", type(error).__name__)
else:
    print("done" if whole else "no landlock")
"""


def tried(attempt: str, path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CONFINED.format(attempt=attempt), str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "precious.wav"
    path.write_bytes(b"sound")
    return path


@pytest.mark.parametrize(
    "attempt",
    [
        "open(path, 'ab').write(b'x')",
        "open(path, 'r+b').write(b'x')",
        "os.truncate(path, 0)",
        "os.unlink(path)",
        "os.rename(path, path + 'x')",
        "os.mkdir(path + 'x')",
        "os.symlink(path, path + 'x')",
        "os.execv('/bin/true', ['true'])",
        "socket.create_connection(('127.0.0.1', 9))",
        "bytearray(700 * 2**20)",
    ],
)
def test_what_reading_sound_does_not_need_is_refused(file: Path, attempt: str) -> None:
    outcome = tried(attempt, file)
    if outcome.startswith("no landlock"):
        pytest.skip("this kernel has no Landlock")
    assert outcome.startswith("refused")
    assert list(file.parent.iterdir()) == [file]
    assert file.read_bytes() == b"sound"


def test_reading_goes_on(file: Path) -> None:
    assert tried("assert open(path, 'rb').read() == b'sound'", file) in {"done", "no landlock"}
