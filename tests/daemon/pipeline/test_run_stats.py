"""What the service counts of its files."""

from __future__ import annotations

from pathlib import Path

from daemon.pipeline.claimed_file import FileResult
from daemon.pipeline.run_stats import RunStats

BAD, GOOD = Path("/m/bad.mp3"), Path("/m/good.mp3")


def test_failures_are_files_and_not_tries() -> None:
    stats = RunStats(1)
    for result in (FileResult.UNREADABLE, FileResult.POSTPONED, FileResult.UNUSABLE):
        stats.count(BAD, result, 1.0)
    stats.count(GOOD, FileResult.PROCESSED, 1.0)
    stats.count(GOOD, FileResult.RECOGNISED, 1.0)
    assert (stats.failed, stats.processed, stats.attempts) == (1, 1, 3)
    stats.count(BAD, FileResult.PROCESSED, 1.0)
    assert (stats.failed, stats.processed, stats.attempts) == (0, 2, 4)
    assert sum(stats.durations[0]) == 4
