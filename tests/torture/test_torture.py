"""The short form of the torture tests. It takes more than a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.pipeline.stages import Pipeline
from tests.torture.annotators import TRAINED, add_trained_bundle
from tests.torture.disk_failure_run import DiskFailureRun, Failure
from tests.torture.disks import NoDisk
from tests.torture.flood_run import FloodRun
from tests.torture.kill_run import KillRun
from tests.torture.observed_service import STAGES, State
from trainer.bundles.registry import list_bundles, published_bundle

if TYPE_CHECKING:
    from pathlib import Path


def test_the_observed_stages_are_those_of_the_pipeline() -> None:
    assert all(callable(getattr(Pipeline, name, None)) for name in STAGES)


def test_the_runs_with_training_have_a_bundle_to_publish(tmp_path: Path) -> None:
    add_trained_bundle(tmp_path / "bundles", seed=1)
    published = published_bundle(tmp_path / "bundles").name
    assert set(list_bundles(tmp_path / "bundles")) == {published, TRAINED}
    assert published != TRAINED


def test_killed_repeatedly_it_misses_no_file_and_harms_none(tmp_path: Path) -> None:
    report = KillRun(tmp_path, files=40, kills=8, seed=3).run()
    assert report.faults == []
    assert report.crashes == []
    assert report.actions["arrive"] == 40
    assert report.kills.total() == 8
    assert set(report.states) - {State.STARTING, State.IDLE}


def test_on_a_disk_whose_calls_fail_it_writes_every_tag_in_the_end(tmp_path: Path) -> None:
    report = KillRun(tmp_path, files=12, kills=1, seed=4, fault_rate=0.08).run()
    assert report.faults == []
    assert report.crashes == []
    assert report.disk_errors


@pytest.mark.parametrize("failure", Failure)
def test_it_survives_disk_failures_and_catches_up(tmp_path: Path, failure: Failure) -> None:
    try:
        report = DiskFailureRun(tmp_path, failure, files=8, rounds=2, seed=5).run()
    except NoDisk as error:
        pytest.skip(str(error))
    assert report.faults == []
    assert report.crashes == []
    assert report.starts == 1
    # A power cut may come at a moment without a write.
    assert report.untagged or report.stalls or failure is Failure.MEDIA_POWER_CUT


def test_a_flood_of_files_is_processed_completely(tmp_path: Path) -> None:
    report = FloodRun(tmp_path, 500, 6, "tags.mode=none").run()
    assert report.faults == []
