from __future__ import annotations

from pathlib import Path

import pytest

from daemon.watch.stability import StabilityTracker
from tests.records import stamp

A, B = Path("/m/a.mp3"), Path("/m/b.mp3")


@pytest.fixture
def settler() -> StabilityTracker:
    return StabilityTracker(lambda: 3.0)


def test_a_silent_file_with_the_same_stamp_twice_is_complete(settler: StabilityTracker) -> None:
    settler.touch(A, stamp(), now=10.0)
    assert settler.due(12.9) == []
    assert settler.due(13.0) == [A]
    assert settler.judge(A, stamp(), now=13.0)
    assert settler.next_due() is None


def test_every_event_starts_the_silence_anew(settler: StabilityTracker) -> None:
    settler.touch(A, stamp(), now=10.0)
    settler.touch(A, stamp(), now=12.0)
    assert settler.due(14.9) == []
    assert settler.due(15.0) == [A]


def test_a_file_that_grows_without_events_waits_for_another_turn(settler: StabilityTracker) -> None:
    settler.touch(A, stamp(size=1), now=10.0)
    assert not settler.judge(A, stamp(size=2), now=13.0)
    assert settler.next_due() == 16.0
    assert settler.judge(A, stamp(size=2), now=16.0)


def test_a_file_replaced_by_one_of_equal_size_and_time_waits_too(settler: StabilityTracker) -> None:
    settler.touch(A, stamp(inode=1), now=10.0)
    assert not settler.judge(A, stamp(inode=2), now=13.0)


def test_files_settle_apart_and_can_be_forgotten(settler: StabilityTracker) -> None:
    settler.touch(A, stamp(), now=10.0)
    settler.touch(B, stamp(), now=11.0)
    assert settler.next_due() == 13.0
    settler.forget(A)
    settler.forget(A)
    assert settler.next_due() == 14.0
    assert len(settler) == 1
