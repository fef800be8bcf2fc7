"""What is logged of files whose tags cannot be written: enough, and not fifty thousand times."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemon.pipeline.tag_failure_log import AN_HOUR, MOST_REASONS, MOST_WARNINGS, TagFailureLog
from daemon.tagging.basics.tag_errors import READ_ONLY
from storage.schema.records import Clip, TagOutcome, TagState
from tests.driving import PATIENCE_S
from tests.records import NOON, stamp
from tests.sounds import music_like, write_audio

if TYPE_CHECKING:
    from tests.driving import Valenced

UNSYNCED = """
from daemon.cli.main import main
from daemon.tagging.disk.syscalls import DiskCalls

def sync_folder(disk, folder):
    raise OSError(5, "Input/output error")

DiskCalls.sync_folder = sync_folder
main()
"""
FULL = "no room on its disk for a copy; free some space"


class Day:
    """A clock, and a failure log by it."""

    def __init__(self) -> None:
        self.now = NOON
        self._failure_log = TagFailureLog(lambda: self.now)

    def fail(self, name: str, reason: str | None, before: str | None = None) -> None:
        clip = Clip(1, Path("/m", name), "x", stamp(), TagState.PENDING, before, is_missing=False)
        self._failure_log.report(clip, TagOutcome(TagState.PENDING, reason))

    def write(self, name: str, before: str | None = None) -> None:
        clip = Clip(1, Path("/m", name), "x", stamp(), TagState.PENDING, before, is_missing=False)
        self._failure_log.report(clip, TagOutcome(TagState.WRITTEN))


@pytest.fixture
def day(caplog: pytest.LogCaptureFixture) -> Day:
    caplog.set_level(logging.INFO)
    return Day()


def logged(caplog: pytest.LogCaptureFixture, level: str) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records if record.levelname == level]


def test_a_file_is_logged_once_for_each_reason(day: Day, caplog: pytest.LogCaptureFixture) -> None:
    day.fail("a.mp3", FULL)
    day.fail("a.mp3", FULL, before=FULL)
    day.fail("a.mp3", None, before=FULL)
    day.fail("a.mp3", "its disk reports an error", before=FULL)
    warnings = logged(caplog, "WARNING")
    assert [line["reason"] for line in warnings] == [FULL, "its disk reports an error"]
    assert {line["clip"] for line in warnings} == {Path("/m/a.mp3")}
    assert caplog.messages[0] == f"/m/a.mp3: no tags: {FULL}"


@pytest.mark.parametrize("logged_by", ["this run", "an earlier one"])
def test_what_is_written_later_is_logged_once(
    day: Day, caplog: pytest.LogCaptureFixture, logged_by: str
) -> None:
    if logged_by == "this run":
        day.fail("a.mp3", FULL)
    day.write("a.mp3", before=FULL)
    day.write("a.mp3")
    lines = [message for message in caplog.messages if "written" in message]
    assert lines == ["/m/a.mp3: tags written now"]


def test_of_many_files_the_first_are_warnings_and_each_can_be_found(
    day: Day, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(2_000):
        day.fail(f"{number}.mp3", FULL)
    *files, rest = logged(caplog, "WARNING")
    assert [line["clip"].name for line in files] == [f"{n}.mp3" for n in range(MOST_WARNINGS)]
    assert ("clip" in rest, rest["reason"]) == (False, FULL)
    assert len(logged(caplog, "INFO")) == 2_000 - MOST_WARNINGS
    assert all(line["clip"] for line in logged(caplog, "INFO"))


def test_a_reason_that_lasts_is_warned_of_again_after_an_hour(
    day: Day, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        for number in range(3 * MOST_WARNINGS):
            day.fail(f"{number}.mp3", FULL)
        day.now += AN_HOUR * 1.1
    assert len(logged(caplog, "WARNING")) == 2 * (MOST_WARNINGS + 1)


def test_reasons_that_all_differ_do_not_flood_either(
    day: Day, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1000):
        day.fail("a.mp3", f"unexpected {number}")
    assert len(logged(caplog, "WARNING")) == MOST_REASONS


def test_a_read_only_file_system_is_no_warning(day: Day, caplog: pytest.LogCaptureFixture) -> None:
    day.fail("a.mp3", READ_ONLY)
    assert [line["levelname"] for line in logged(caplog, "INFO")] == ["INFO"]
    assert not logged(caplog, "WARNING")


def test_the_service_logs_once_why_a_file_has_no_tags(valenced: Valenced, music: Path) -> None:
    sound = write_audio(music / "a.flac", music_like(2))
    # A copy would tear the two names apart.
    (music.parent / "a second name").hardlink_to(sound)
    with valenced.start("run", music) as service:
        line = service.wait_for("WARNING", "a.flac", "no tags")
        assert service.stop() == 0
    (clip,) = valenced.read("query")
    assert clip["tag_state"].removeprefix("not written: ") in line
    with valenced.start("run", music) as service:
        service.wait_for("watching")
        write_audio(music / "b.flac", music_like(2, seed=1))
        service.wait_for("b.flac", "arousal")
        assert service.stop() == 0
    assert not any("a.flac" in line for line in service.lines)
    (music.parent / "a second name").unlink()
    valenced("scan", music)
    assert f"{sound}: tags written now" in valenced.stderr
    assert f"{music / 'b.flac'}: tags" not in valenced.stderr


def test_a_file_that_was_written_and_not_synced_is_logged(valenced: Valenced, music: Path) -> None:
    file = write_audio(music / "a.mp3", music_like(2))
    with valenced.start_line(
        [sys.executable, "-c", UNSYNCED, *valenced.line("scan", music)[1:]]
    ) as scan:
        scan.wait_for(str(file), "written, but its folder could not be synced")
        assert scan.process.wait(PATIENCE_S) == 0
    assert valenced.select("SELECT tag_state FROM clips") == [(b"written",)]
