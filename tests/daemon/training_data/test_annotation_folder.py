from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from daemon.training_data.annotation_folder import AnnotationFolder
from daemon.training_data.annotation_thread import AnnotationThread
from storage.catalogue import Catalogue
from tests.records import record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from storage.annotations import AnnotationStore

GOOD = "path,arousal,valence\na.mp3,0.5,0.5\nb.mp3,-0.5,0\n"


@pytest.fixture
def given(tmp_path: Path) -> Iterator[AnnotationStore]:
    with closing(Catalogue(f"sqlite:///{tmp_path / 'state' / 'catalogue.db'}")) as catalogue:
        record(catalogue, "/m/a.mp3")
        record(catalogue, "/m/b.mp3")
        yield catalogue.annotations


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "annotations"


@pytest.fixture
def folder(place: Path, given: AnnotationStore) -> AnnotationFolder:
    made = AnnotationFolder(place, given, lambda: 3.0, in_a_minute)
    assert made.import_tables() == 0
    assert place.is_dir()
    return made


def in_a_minute() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=1)


def test_a_table_is_imported_and_moved_to_done(
    folder: AnnotationFolder, place: Path, given: AnnotationStore
) -> None:
    (place / "ratings.csv").write_text(GOOD)
    assert folder.import_tables() == 2
    assert (place / "done" / "ratings.csv").read_text() == GOOD
    assert not (place / "ratings.csv").exists()
    assert {one.source for one in given.all()} == {"ratings.csv"}
    assert {one.annotator for one in given.all()} == {place.owner()}


def test_a_wrong_table_is_refused_as_a_whole_with_its_reason(
    folder: AnnotationFolder, place: Path, given: AnnotationStore
) -> None:
    (place / "ratings.csv").write_text(GOOD + "c.mp3,0,0\n")
    assert folder.import_tables() == 0
    assert given.all() == []
    assert (place / "refused" / "ratings.csv").exists()
    reason = (place / "refused" / "ratings.csv.reason.txt").read_text()
    assert "line 4" in reason


def test_tables_of_one_name_do_not_overwrite_one_another(
    folder: AnnotationFolder, place: Path
) -> None:
    for value in ("0.1", "0.2", "0.3"):
        (place / "r.csv").write_text(f"path,arousal\na.mp3,{value}\n")
        assert folder.import_tables() == 1
    assert sorted(path.name for path in (place / "done").iterdir()) == [
        "r.2.csv",
        "r.3.csv",
        "r.csv",
    ]


def test_a_table_that_is_still_written_waits(folder: AnnotationFolder, place: Path) -> None:
    with (place / "r.csv").open("w") as stream:
        stream.write("path,arousal\na.mp3,")
        stream.flush()
        assert folder.import_tables() == 0
        stream.write("0.5\n")
    assert folder.import_tables() == 1


def test_a_table_that_changed_a_moment_ago_waits(place: Path, given: AnnotationStore) -> None:
    place.mkdir()
    (place / "r.csv").write_text(GOOD)
    now = AnnotationFolder(place, given, lambda: 60.0, lambda: datetime.now(UTC))
    assert now.import_tables() == 0
    assert (place / "r.csv").exists()


def test_a_table_that_was_imported_before_a_kill_is_moved_even_if_its_sounds_are_missing(
    folder: AnnotationFolder, place: Path, given: AnnotationStore
) -> None:
    (place / "ratings.csv").write_text(GOOD)
    assert folder.import_tables() == 2
    # As it is when the service is killed before it can put the table away.
    (place / "done" / "ratings.csv").rename(place / "ratings.csv")
    with given.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE clips SET name = 'moved.mp3' WHERE name = 'a.mp3'")
    assert folder.import_tables() == 0
    assert (place / "done" / "ratings.csv").exists()
    assert not (place / "refused").exists()
    assert len(given.all()) == 2


def test_other_files_are_ignored(folder: AnnotationFolder, place: Path) -> None:
    (place / "notes.txt").write_text(GOOD)
    (place / ".hidden.csv").write_text(GOOD)
    (place / "folder.csv").mkdir()
    os.mkfifo(place / "pipe.csv")
    (place / "link.csv").symlink_to(place / "notes.txt")
    before = sorted(place.iterdir())
    assert folder.import_tables() == 0
    assert sorted(place.iterdir()) == before


def test_a_table_that_cannot_be_moved_counts_once(
    folder: AnnotationFolder, place: Path, given: AnnotationStore, caplog: pytest.LogCaptureFixture
) -> None:
    (place / "r.csv").write_text(GOOD)
    (place / "done").write_text("somebody put a file here")
    assert folder.import_tables() == 2
    assert folder.import_tables() == 0
    assert AnnotationFolder(place, given, lambda: 3.0, in_a_minute).import_tables() == 0
    assert len(given.all()) == 2
    assert "cannot be moved" in caplog.text


def test_a_folder_that_cannot_be_created_is_reported_once(
    tmp_path: Path, given: AnnotationStore, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    folder = AnnotationFolder(tmp_path / "file" / "below", given, lambda: 3.0, in_a_minute)
    assert folder.import_tables() == folder.import_tables() == 0
    assert caplog.text.count("cannot be read") == 1


def test_a_table_whose_name_is_not_utf8_is_imported(
    folder: AnnotationFolder, place: Path, given: AnnotationStore
) -> None:
    name = os.fsdecode(b"caf\xe9\n.csv")
    (place / name).write_text(GOOD)
    assert folder.import_tables() == 2
    assert (place / "done" / name).read_text() == GOOD
    assert {one.source for one in given.all()} == {r"caf\xe9\n.csv"}


def test_only_the_owner_of_a_table_counts_where_it_may_name_nobody(
    place: Path, given: AnnotationStore
) -> None:
    place.mkdir()
    (place / "r.csv").write_text("path,arousal,annotator\na.mp3,1,eve\n")
    quiet = AnnotationFolder(place, given, lambda: 3.0, in_a_minute, may_name_annotators=False)
    assert quiet.import_tables() == 1
    assert {one.annotator for one in given.all()} == {place.owner()}


def test_what_is_ours_is_for_this_user_alone(folder: AnnotationFolder, place: Path) -> None:
    (place / "r.csv").write_text("nonsense\n")
    folder.import_tables()
    refused = place / "refused"
    assert [path.stat().st_mode & 0o777 for path in (place, refused)] == [0o700, 0o700]
    assert (refused / "r.csv.reason.txt").stat().st_mode & 0o777 == 0o600


def test_a_planted_link_in_place_of_the_reason_is_not_followed(
    folder: AnnotationFolder, place: Path, tmp_path: Path
) -> None:
    song = tmp_path / "song.mp3"
    song.write_text("song")
    (place / "refused").mkdir()
    (place / "refused" / "r.csv.reason.txt").symlink_to(song)
    (place / "r.csv").write_text("nonsense\n")
    folder.import_tables()
    assert song.read_text() == "song"
    assert "line 1" in (place / "refused" / "r.csv.reason.2.txt").read_text()


@pytest.mark.parametrize("subfolder", ["done", "refused"])
def test_a_subfolder_that_is_a_link_is_not_used(
    folder: AnnotationFolder, place: Path, tmp_path: Path, subfolder: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (place / subfolder).symlink_to(outside)
    (place / "r.csv").write_text(GOOD if subfolder == "done" else "nonsense\n")
    folder.import_tables()
    folder.import_tables()
    assert list(outside.iterdir()) == []
    assert (place / "r.csv").exists()


def test_the_words_of_a_hard_linked_file_are_not_told(
    folder: AnnotationFolder, place: Path, tmp_path: Path
) -> None:
    private = tmp_path / "private"
    private.write_text("path,arousal\nmy password,0\n")
    (place / "r.csv").hardlink_to(private)
    assert folder.import_tables() == 0
    reason = (place / "refused" / "r.csv.reason.txt").read_text()
    assert reason == "r.csv: is a hard link; put a copy here\n"
    assert private.read_text() == "path,arousal\nmy password,0\n"


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's link")


@needs_root
def test_a_link_of_another_user_on_the_way_to_the_folder_is_not_followed(
    tmp_path: Path, given: AnnotationStore, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to("real")
    folder = AnnotationFolder(link / "inner", given, lambda: 3.0, in_a_minute)
    assert folder.import_tables() == 0
    assert (tmp_path / "real" / "inner").is_dir()
    os.chown(link, 65534, 65534, follow_symlinks=False)
    folder.import_tables()
    assert "link is a link of another user" in caplog.text


ROUNDS = 200
SWAPS = """
import ctypes, os, sys
place, outside, ready = sys.argv[1:]
exchange = ctypes.CDLL(None).renameat2

def link(path, target):
    os.symlink(target, path)
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534, follow_symlinks=False)

pairs = []
for name in ("done", "refused", "r.csv", "s.csv"):
    link(f"{place}/.{name}", f"{outside}/private.csv" if "csv" in name else outside)
    pairs.append((f"{place}/{name}", f"{place}/.{name}"))
if os.geteuid() == 0:
    link(f"{place}.link", outside)
    pairs.append((place, f"{place}.link"))
os.write(int(ready), b"x")
while True:
    for pair in pairs:
        exchange(-100, os.fsencode(pair[0]), -100, os.fsencode(pair[1]), 2)
"""


def everything(folder: Path) -> dict[str, object]:
    """Return content, times and links of everything below a folder."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        found[str(path)] = (
            status.st_mtime_ns,
            status.st_nlink,
            path.is_file() and path.read_text(),
        )
    return found


def test_exchanging_folders_and_tables_for_links_all_the_time_changes_nothing_outside(
    folder: AnnotationFolder, place: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("private.csv", "r.csv.reason.txt", "r.csv"):
        (outside / name).write_text("path,arousal\nmy password,0\n")
    before = everything(outside)
    for name in ("done", "refused"):
        (place / name).mkdir()
    handle = os.open(place, os.O_RDONLY)
    ready, told = os.pipe()
    line = [sys.executable, "-c", SWAPS, str(place), str(outside), str(told)]
    with subprocess.Popen(line, pass_fds=[told]) as racing:
        try:
            assert os.read(ready, 1) == b"x"
            for number in range(ROUNDS):
                for name, text in (("r.csv", "nonsense\n"), ("s.csv", f"{GOOD}b.mp3,0,0\n" * 2)):
                    put(handle, name, text if number % 2 else GOOD)
                folder.import_tables()
        finally:
            racing.kill()
    assert everything(outside) == before
    for descriptor in (handle, ready, told):
        os.close(descriptor)


def put(handle: int, name: str, text: str) -> None:
    descriptor = os.open(".new", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=handle)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    os.rename(".new", name, src_dir_fd=handle, dst_dir_fd=handle)


def test_the_thread_is_asked_without_waiting_and_reports_what_it_found(
    place: Path, given: AnnotationStore
) -> None:
    place.mkdir()
    (place / "r.csv").write_text(GOOD)
    reading, go_on, told = threading.Event(), threading.Event(), threading.Event()

    def settle_s() -> float:
        reading.set()
        go_on.wait()
        return 3.0

    thread = AnnotationThread(AnnotationFolder(place, given, settle_s, in_a_minute), told.set)
    assert thread.check() == 0
    reading.wait()
    # It is in the middle of the table, and nobody waits for it.
    assert thread.check() == 0
    go_on.set()
    told.wait()
    assert thread.check() == 2
    thread.stop()


def test_a_thread_that_is_stopped_in_a_table_leaves_it_for_the_next_start(
    place: Path, given: AnnotationStore
) -> None:
    place.mkdir()
    (place / "r.csv").write_text(GOOD)
    reading, go_on = threading.Event(), threading.Event()

    def settle_s() -> float:
        reading.set()
        go_on.wait()
        return 3.0

    folder = AnnotationFolder(place, given, settle_s, in_a_minute)
    thread = AnnotationThread(folder, lambda: None)
    thread.check()
    reading.wait()
    folder.stop()
    go_on.set()
    thread.stop()
    assert given.all() == []
    assert (place / "r.csv").exists()
