from __future__ import annotations

from pathlib import Path

import pytest

from daemon.watch.stability import StabilityTracker
from tests.records import stamp

A, B = Path("/m/a.mp3"), Path("/m/b.mp3")


@pytest.fixture
def tracker() -> StabilityTracker:
    return StabilityTracker(lambda: 3.0)


def test_a_file_without_events_and_with_the_same_stamp_is_complete(
    tracker: StabilityTracker,
) -> None:
    tracker.touch(A, stamp(), now_s=10.0)
    assert tracker.due(12.9) == []
    assert tracker.due(13.0) == [A]
    assert tracker.check(A, stamp(), now_s=13.0)
    assert tracker.next_due_s() is None


def test_every_event_restarts_the_waiting_time(tracker: StabilityTracker) -> None:
    tracker.touch(A, stamp(), now_s=10.0)
    tracker.touch(A, stamp(), now_s=12.0)
    assert tracker.due(14.9) == []
    assert tracker.due(15.0) == [A]


def test_a_file_that_grows_without_events_waits_again(tracker: StabilityTracker) -> None:
    tracker.touch(A, stamp(size=1), now_s=10.0)
    assert not tracker.check(A, stamp(size=2), now_s=13.0)
    assert tracker.next_due_s() == 16.0
    assert tracker.check(A, stamp(size=2), now_s=16.0)


def test_a_file_replaced_by_one_of_equal_size_and_time_waits_too(tracker: StabilityTracker) -> None:
    tracker.touch(A, stamp(inode=1), now_s=10.0)
    assert not tracker.check(A, stamp(inode=2), now_s=13.0)


def test_files_settle_apart_and_can_be_forgotten(tracker: StabilityTracker) -> None:
    tracker.touch(A, stamp(), now_s=10.0)
    tracker.touch(B, stamp(), now_s=11.0)
    assert tracker.next_due_s() == 13.0
    tracker.forget(A)
    tracker.forget(A)
    assert tracker.next_due_s() == 14.0
    assert tracker.unsettled() == [B]
