"""Tags that a worker fails at are tried a few times, whatever is started again meanwhile."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from daemon.pipeline.tag_tries import MOST_TAG_TRIES, STOPPED_EACH_TIME, tried
from daemon.service_errors import WorkerError
from storage.catalogue import Catalogue
from storage.schema.file_stamps import FileStamp
from storage.schema.records import Clip, TagOutcome, TagState

NOW = datetime(2026, 11, 28, tzinfo=UTC)
PATH = Path("/m/a.mp3")
FAILED = TagOutcome(TagState.PENDING, "its worker was ended by SIGKILL", is_try=True)


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'catalogue.db'}"


def recorded(catalogue: Catalogue) -> Clip:
    stamp = FileStamp(1, 2, 3)
    catalogue.queue.put([(PATH, stamp)], NOW)
    entry = catalogue.queue.claim(NOW)
    assert entry is not None
    return catalogue.record(entry, "ab", TagState.PENDING, NOW, None)


def found(catalogue: Catalogue) -> Clip:
    clip = catalogue.clip_at(PATH)
    assert clip is not None
    return clip


def test_after_the_last_try_the_reason_stays_over_restarts(tmp_path: Path) -> None:
    calls = 0

    def fail() -> TagOutcome:
        nonlocal calls
        calls += 1
        return FAILED

    with closing(Catalogue(url(tmp_path))) as catalogue:
        recorded(catalogue)
    for _ in range(MOST_TAG_TRIES + 3):
        with closing(Catalogue(url(tmp_path))) as catalogue:
            clip = found(catalogue)
            outcome = tried(catalogue.tag_journal, clip, fail)
            assert outcome is not None
            catalogue.tag_journal.record(clip, outcome)
    with closing(Catalogue(url(tmp_path))) as catalogue:
        clip = found(catalogue)
    assert calls == MOST_TAG_TRIES
    assert clip.tag_state is TagState.NOT_WRITTEN
    assert clip.tag_reason == f"given up after {MOST_TAG_TRIES} tries: {FAILED.reason}"


class Killed(BaseException):
    """Stands for the end of the service, which records no outcome."""


def test_a_file_that_ends_the_service_each_time_is_given_up(tmp_path: Path) -> None:
    def die() -> TagOutcome:
        raise Killed

    with closing(Catalogue(url(tmp_path))) as catalogue:
        recorded(catalogue)
        for _ in range(MOST_TAG_TRIES):
            with pytest.raises(Killed):
                tried(catalogue.tag_journal, found(catalogue), die)
        outcome = tried(catalogue.tag_journal, found(catalogue), die)
    assert outcome == TagOutcome(TagState.NOT_WRITTEN, STOPPED_EACH_TIME, is_try=True)


def test_trouble_that_is_no_file_s_fault_is_no_try(tmp_path: Path) -> None:
    def stall() -> TagOutcome:
        raise WorkerError("no worker can be started")

    with closing(Catalogue(url(tmp_path))) as catalogue:
        recorded(catalogue)
        with pytest.raises(WorkerError):
            tried(catalogue.tag_journal, found(catalogue), stall)
        assert found(catalogue).tag_tries == 0


@pytest.mark.parametrize("by", ["success", "change", "retry"])
def test_tries_begin_again(tmp_path: Path, by: str) -> None:
    with closing(Catalogue(url(tmp_path))) as catalogue:
        clip = recorded(catalogue)
        catalogue.tag_journal.record(
            clip, tried(catalogue.tag_journal, clip, lambda: FAILED) or FAILED
        )
        assert found(catalogue).tag_tries == 1
        if by == "success":
            catalogue.tag_journal.record(clip, TagOutcome(TagState.WRITTEN))
        elif by == "change":
            recorded(catalogue)
        else:
            assert catalogue.tag_journal.retry(lambda _: True, but="another") == 1
        assert found(catalogue).tag_tries == 0
