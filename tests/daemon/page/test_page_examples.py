"""The requests that docs/page.md shows do what it says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import ROOT, page_at

if TYPE_CHECKING:
    from pathlib import Path

    from tests.daemon.page.conftest import Library
    from tests.daemon.page.page_client import PageClient

PAGE = ROOT / "docs" / "page.md"
STRICT = 'set -e\ncurl() { command curl --fail --silent --show-error "$@"; }\n'


def block_with(text: str) -> str:
    """Return the only block of code that has a text in it."""
    (found,) = (block for block in page_at(PAGE).blocks if text in block)
    return found


def environment(page: PageClient) -> dict[str, str]:
    return os.environ | {"URL": f"http://{page.address}", "TOKEN": page.token}


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_curl(page: PageClient, library: Library, tmp_path: Path) -> None:
    asked = [line for line in block_with("curl").splitlines() if "export URL" not in line]
    done = subprocess.run(
        ["bash", "-c", STRICT + "\n".join(asked)],
        env=environment(page),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    calm = str(library.music / "a" / "calm.flac")
    assert calm in done.stdout
    assert '"annotator":"me"' in done.stdout
    assert calm in (tmp_path / "calm.m3u8").read_text(encoding="utf-8")


def test_python(page: PageClient) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block_with("struct")],
        env=environment(page),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4 sounds, ")
