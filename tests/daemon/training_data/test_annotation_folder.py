from __future__ import annotations

import os
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from daemon.training_data.annotation_folder import AnnotationFolder
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
        connection.exec_driver_sql("UPDATE clips SET path = '/m/moved.mp3' WHERE path LIKE '%/a%'")
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
