from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from storage.queue import PASSED_OVER_EACH
from storage.schema.file_stamps import FileStamp
from tests.records import A_MINUTE, NOON, record_entry, stamp

if TYPE_CHECKING:
    from os import stat_result

    from storage.catalogue import Catalogue
    from storage.schema.records import QueueEntry

A, B, C = Path("/m/a.mp3"), Path("/m/b.mp3"), Path("/n/c.mp3")


def claimed(catalogue: Catalogue) -> QueueEntry:
    entry = catalogue.queue.claim(NOON)
    assert entry is not None
    return entry


def test_files_are_claimed_in_the_order_in_which_they_are_due(catalogue: Catalogue) -> None:
    catalogue.queue.put([(B, stamp())], NOON - A_MINUTE)
    catalogue.queue.put([(A, stamp())], NOON)
    assert [claimed(catalogue).path, claimed(catalogue).path] == [B, A]
    assert catalogue.queue.claim(NOON) is None


@pytest.mark.parametrize(
    ("folders", "own"),
    [
        (["/m"], {A, B}),
        (["/m/b.mp3"], {B}),
        (["/m/a.mp3/c", "/m/b"], set()),
        (["/"], {A, B, C}),
        (["/n", "/m/a.mp3"], {A, C}),
        (["/%", "/_", "/M"], set()),
        ([], set()),
    ],
)
def test_only_files_of_own_folders_are_claimed_and_wait(
    catalogue: Catalogue, folders: list[str], own: set[Path]
) -> None:
    later = NOON + 9 * A_MINUTE
    catalogue.queue.put([(path, stamp()) for path in (A, B, C)], NOON)
    catalogue.queue.folders = [Path(folder) for folder in folders]
    assert catalogue.queue.waiting(NOON) == len(own)
    assert {*catalogue.queue.untried()} == own
    assert catalogue.queue.next_due() == (NOON if own else None)
    claims = list(iter(lambda: catalogue.queue.claim(NOON), None))
    assert {entry.path for entry in claims} == own
    assert catalogue.queue.waiting(NOON) == len(own)
    for entry in claims:
        catalogue.queue.postpone(entry, entry.stamp, later)
    assert catalogue.queue.expedite(NOON, NOON) == len(own)
    catalogue.queue.folders = None
    assert catalogue.queue.waiting(NOON) == len({A, B, C})


def test_a_file_that_was_put_back_is_claimed_again_among_those_of_own_folders(
    catalogue: Catalogue,
) -> None:
    catalogue.queue.put([(A, stamp())], NOON - A_MINUTE)
    catalogue.queue.put([(B, stamp()), (C, stamp())], NOON)
    catalogue.queue.folders = [A.parent]
    first = claimed(catalogue)
    assert claimed(catalogue).path == B
    catalogue.queue.release(first)
    assert claimed(catalogue) == first
    for _ in range(2 * PASSED_OVER_EACH):
        catalogue.queue.put([(B, stamp(mtime_ns=2))], NOON)
        catalogue.queue.release(first)
        if claimed(catalogue) == first:
            break
    else:
        pytest.fail("never claimed again")


def test_a_file_put_twice_in_the_same_state_is_queued_once(catalogue: Catalogue) -> None:
    assert catalogue.queue.put([(A, stamp()), (A, stamp())], NOON) == 1
    claimed(catalogue)
    assert catalogue.queue.put([(A, stamp())], NOON) == 0
    assert catalogue.queue.claim(NOON) is None


def test_a_failed_file_waits_for_its_time_and_counts_its_attempts(catalogue: Catalogue) -> None:
    catalogue.queue.put([(A, stamp())], NOON)
    catalogue.queue.fail(claimed(catalogue), "no sound in it", NOON + A_MINUTE)
    assert catalogue.queue.claim(NOON) is None
    assert catalogue.queue.next_due() == NOON + A_MINUTE
    again = catalogue.queue.claim(NOON + A_MINUTE)
    assert again is not None
    assert again.attempts == 2
    (failure,) = catalogue.queries.failures()
    assert (failure.path, failure.reason, failure.attempts) == (A, "no sound in it", 2)
    assert failure.retry_at == "2026-01-31T12:01:00.000Z"


def test_a_file_given_up_stays_so_until_it_changes(catalogue: Catalogue) -> None:
    catalogue.queue.put([(A, stamp())], NOON)
    catalogue.queue.fail(claimed(catalogue), "hopeless", None)
    assert catalogue.queue.next_due() is None
    assert catalogue.queries.failures(A)[0].retry_at is None
    assert catalogue.queue.put([(A, stamp())], NOON) == 0
    assert catalogue.queue.put([(A, stamp(size=200))], NOON) == 1
    assert claimed(catalogue).attempts == 1
    assert catalogue.queries.failures() == []


def test_a_file_that_changes_during_its_analysis_is_due_again_after_it_is_recorded(
    catalogue: Catalogue,
) -> None:
    catalogue.queue.put([(A, stamp())], NOON)
    entry = claimed(catalogue)
    catalogue.queue.put([(A, stamp(size=200))], NOON)
    assert catalogue.queue.claim(NOON) is None, "nobody else may take it meanwhile"
    record_entry(catalogue, entry)
    again = claimed(catalogue)
    assert (again.stamp.size, again.attempts) == (200, 1)


def test_a_file_that_changes_during_its_analysis_is_due_again_after_it_failed(
    catalogue: Catalogue,
) -> None:
    catalogue.queue.put([(A, stamp())], NOON)
    entry = claimed(catalogue)
    catalogue.queue.put([(A, stamp(size=200))], NOON)
    catalogue.queue.fail(entry, "half a file", NOON + A_MINUTE)
    assert claimed(catalogue).stamp.size == 200


def test_a_retry_makes_failed_files_due_at_once(catalogue: Catalogue) -> None:
    for path in (A, B):
        catalogue.queue.put([(path, stamp())], NOON)
        catalogue.queue.fail(claimed(catalogue), "hopeless", None)
    assert catalogue.queue.retry(NOON, Path("/elsewhere")) == 0
    assert catalogue.queue.retry(NOON, A) == 1
    assert claimed(catalogue).path == A
    assert catalogue.queue.retry(NOON, Path("/m")) == 1, "the one in hand is left alone"
    assert claimed(catalogue).attempts == 1


def test_claims_that_a_crash_left_are_released(catalogue: Catalogue) -> None:
    catalogue.queue.put([(A, stamp())], NOON)
    claimed(catalogue)
    assert catalogue.queue.release_claims() == 1
    assert claimed(catalogue).attempts == 2


def test_a_released_file_counts_no_attempt(catalogue: Catalogue) -> None:
    catalogue.queue.put([(A, stamp())], NOON)
    catalogue.queue.release(claimed(catalogue))
    assert claimed(catalogue).attempts == 1


def test_a_postponed_file_is_claimed_later_with_its_new_stamp(catalogue: Catalogue) -> None:
    catalogue.queue.put([(A, stamp())], NOON)
    catalogue.queue.postpone(claimed(catalogue), stamp(size=300), NOON + A_MINUTE)
    assert catalogue.queue.claim(NOON) is None
    again = catalogue.queue.claim(NOON + A_MINUTE)
    assert again is not None
    assert (again.stamp.size, again.attempts) == (300, 1)


def test_untried_files_are_distinguished_from_failed_ones(catalogue: Catalogue) -> None:
    assert not catalogue.queue.untried()
    catalogue.queue.put([(A, stamp())], NOON, due_at=NOON + A_MINUTE)
    assert catalogue.queue.untried()
    entry = catalogue.queue.claim(NOON + A_MINUTE)
    assert entry is not None
    catalogue.queue.fail(entry, "no sound in it", NOON + A_MINUTE)
    assert not catalogue.queue.untried()


def test_no_file_is_claimed_twice_by_many_at_once(catalogue: Catalogue) -> None:
    paths = [Path(f"/m/{number}.mp3") for number in range(60)]
    catalogue.queue.put([(path, stamp()) for path in paths], NOON)
    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(lambda _: catalogue.queue.claim(NOON), range(80)))
    taken = [entry.path for entry in entries if entry is not None]
    assert sorted(taken) == sorted(paths)


def stamp_with(mtime_ns: int, inode: int) -> FileStamp:
    found = SimpleNamespace(st_size=1, st_ctime_ns=5, st_mtime_ns=mtime_ns, st_ino=inode)
    return FileStamp.of(cast("stat_result", found))


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 2**64 - 1, -(2**70), 2**100 + 1])
def test_numbers_of_the_system_beyond_64_bits_are_stored_and_recognised(
    catalogue: Catalogue, number: int
) -> None:
    kept = stamp_with(mtime_ns=number, inode=number)
    catalogue.queue.put([(A, kept)], NOON)
    assert catalogue.queued_stamps() == {A: kept}
    assert kept != stamp_with(mtime_ns=number + 1, inode=number)
    assert kept != stamp_with(mtime_ns=number, inode=number + 1)
