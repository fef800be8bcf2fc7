"""The short version of the torture. It takes more than a minute, which is what it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.torture.killing import State
from tests.torture.ordeal import Ordeal

if TYPE_CHECKING:
    from pathlib import Path


def test_killed_again_and_again_it_misses_nothing_and_harms_nothing(tmp_path: Path) -> None:
    report = Ordeal(tmp_path, files=60, kills=12, seed=3).run()
    assert report.faults == []
    assert report.died == []
    assert report.acts["arrive"] == 60
    assert report.kills.total() == 12
    assert len(set(State) & set(report.states)) >= 4
