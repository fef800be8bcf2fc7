"""The short version of the torture. It takes more than a minute, which is what it is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.torture.disk_failure_run import Blow, Trial
from tests.torture.disks import NoDisk
from tests.torture.flood_run import Flood
from tests.torture.kill_run import Ordeal
from tests.torture.observed_service import State

if TYPE_CHECKING:
    from pathlib import Path


def test_killed_again_and_again_it_misses_nothing_and_harms_nothing(tmp_path: Path) -> None:
    report = Ordeal(tmp_path, files=40, kills=8, seed=3).run()
    assert report.faults == []
    assert report.died == []
    assert report.acts["arrive"] == 40
    assert report.kills.total() == 8
    assert set(report.states) - {State.STARTING, State.IDLE}


def test_on_a_disk_whose_calls_fail_it_writes_every_tag_in_the_end(tmp_path: Path) -> None:
    report = Ordeal(tmp_path, files=16, kills=2, seed=4, fault_rate=0.08).run()
    assert report.faults == []
    assert report.died == []
    assert report.failures


@pytest.mark.parametrize("blow", Blow)
def test_it_survives_what_happens_to_disks_and_catches_up(tmp_path: Path, blow: Blow) -> None:
    try:
        report = Trial(tmp_path, blow, files=10, rounds=2, seed=5).run()
    except NoDisk as error:
        pytest.skip(str(error))
    assert report.faults == []
    assert report.died == []
    assert report.starts == 1
    # Whether a power cut falls into a write of tags is left to chance.
    assert report.owed or report.stood_still or blow is Blow.MEDIA_POWER_CUT


def test_a_flood_of_files_is_taken_in_to_the_last(tmp_path: Path) -> None:
    report = Flood(tmp_path, 500, 6, "tags.mode=none").run()
    assert report.faults == []
