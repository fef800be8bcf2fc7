from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.daemon.driving import Valenced

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def valenced(tmp_path: Path) -> Valenced:
    return Valenced(tmp_path / "state", "watch.settle_s=0.3")


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    return folder
