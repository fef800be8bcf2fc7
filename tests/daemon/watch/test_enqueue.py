from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event

from daemon.watch.enqueue import Enqueuer
from daemon.watch.file_filter import FileFilter
from daemon.watch.folder_comparison import FolderComparison
from daemon.watch.nested_mounts import NestedMounts
from storage.schema.file_stamps import FileStamp
from tests.records import NOON, record_entry, stamps_of

if TYPE_CHECKING:
    from pathlib import Path

    from storage.catalogue import Catalogue

SETTLE_S = 3.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def enqueuer(catalogue: Catalogue, folder: Path, calls: list[str]) -> Enqueuer:
    return made(folder, catalogue, calls, NOON)


def made(folder: Path, catalogue: Catalogue, calls: list[str], now: datetime) -> Enqueuer:
    return Enqueuer(
        [folder],
        FileFilter(["mp3"], [".*"]),
        lambda: SETTLE_S,
        catalogue,
        mounts=NestedMounts([folder]),
        clock=lambda: now,
        queued=lambda: calls.append("queued"),
        expected=lambda: calls.append("expected"),
    )


def reconciled(enqueuer: Enqueuer, now_s: float) -> FolderComparison:
    found = FolderComparison()
    for _ in enqueuer.reconciling(found, lambda: now_s):
        pass
    return found


def process_all(catalogue: Catalogue) -> None:
    """Record a result for every queued file."""
    while (entry := catalogue.queue.claim(NOON)) is not None:
        record_entry(catalogue, entry)


def queued(catalogue: Catalogue) -> list[str]:
    return sorted(path.name for path in catalogue.queued_stamps())


def test_a_changed_file_is_queued_once_it_is_complete(
    enqueuer: Enqueuer, catalogue: Catalogue, folder: Path, calls: list[str]
) -> None:
    file = folder / "a.mp3"
    file.write_bytes(b"first half")
    enqueuer.path_changed(file, 0.0)
    file.write_bytes(b"first half, second half")
    enqueuer.settle(SETTLE_S)
    assert queued(catalogue) == []
    enqueuer.settle(2 * SETTLE_S)
    assert queued(catalogue) == ["a.mp3"]
    assert calls == ["expected", "queued"]
    assert enqueuer.next_due() is None


def test_a_file_that_is_open_for_writing_waits_even_without_events(
    catalogue: Catalogue, folder: Path, calls: list[str]
) -> None:
    enqueuer = made(folder, catalogue, calls, datetime.now(UTC) + timedelta(days=1))
    file = folder / "a.mp3"
    with file.open("wb") as writer:
        writer.truncate(1000)
        enqueuer.path_changed(file, 0.0)
        for turn in range(1, 4):
            enqueuer.settle(turn * SETTLE_S)
        assert queued(catalogue) == []
        assert reconciled(enqueuer, 3 * SETTLE_S).known == 0
        assert queued(catalogue) == []
    enqueuer.settle(10 * SETTLE_S)
    assert queued(catalogue) == ["a.mp3"]


def test_a_file_that_stays_open_for_writing_costs_no_look_into_the_catalogue(
    enqueuer: Enqueuer, catalogue: Catalogue, folder: Path
) -> None:
    file, statements = folder / "a.mp3", list[str]()
    with file.open("wb"):
        enqueuer.path_changed(file, 0.0)
        event.listen(
            catalogue.engine, "before_cursor_execute", lambda *args: statements.append(args[2])
        )
        for turn in range(1, 4):
            enqueuer.settle(turn * SETTLE_S)
        assert statements == []
    enqueuer.settle(10 * SETTLE_S)
    assert statements
    assert queued(catalogue) == ["a.mp3"]


def test_a_file_that_vanishes_before_it_settles_is_forgotten(
    enqueuer: Enqueuer, catalogue: Catalogue, folder: Path
) -> None:
    file = folder / "a.mp3"
    file.write_bytes(b"x")
    enqueuer.path_changed(file, 0.0)
    file.unlink()
    enqueuer.settle(SETTLE_S)
    assert queued(catalogue) == []
    assert enqueuer.next_due() is None


def test_our_own_write_is_recognised_by_the_recorded_stamp(
    enqueuer: Enqueuer, catalogue: Catalogue, folder: Path, calls: list[str]
) -> None:
    file = folder / "a.mp3"
    file.write_bytes(b"x")
    catalogue.queue.put([(file, FileStamp.of(file.lstat()))], NOON)
    process_all(catalogue)
    enqueuer.path_changed(file, 0.0)
    assert enqueuer.next_due() is None
    assert calls == []


def test_names_that_the_filter_excludes_are_ignored(enqueuer: Enqueuer, folder: Path) -> None:
    for name in ("cover.jpg", ".a.mp3.Xy12"):
        (folder / name).write_bytes(b"x")
        enqueuer.path_changed(folder / name, 0.0)
    enqueuer.path_changed(folder.parent / "elsewhere.mp3", 0.0)
    enqueuer.path_changed(folder, 0.0)
    assert enqueuer.next_due() is None


def test_a_folder_moved_in_is_scanned(
    enqueuer: Enqueuer, catalogue: Catalogue, folder: Path
) -> None:
    (folder / "album" / "cd1").mkdir(parents=True)
    (folder / "album" / "cd1" / "a.mp3").write_bytes(b"x")
    enqueuer.path_changed(folder / "album", 0.0)
    enqueuer.settle(SETTLE_S)
    assert queued(catalogue) == ["a.mp3"]


def test_links_pipes_and_ignored_folders_are_skipped(
    enqueuer: Enqueuer, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside.mp3").write_bytes(b"x")
    (folder / "link.mp3").symlink_to(tmp_path / "outside.mp3")
    (folder / "long").symlink_to("a" * 300)
    os.mkfifo(folder / "pipe.mp3")
    (folder / ".hidden" / "deep").mkdir(parents=True)
    (folder / ".hidden" / "deep" / "a.mp3").write_bytes(b"x")
    for path in (*folder.iterdir(), folder / ".hidden" / "deep", folder / "link.mp3" / "below"):
        enqueuer.path_changed(path, 0.0)
    assert enqueuer.next_due() is None


def test_of_nested_folders_the_inner_one_decides_on_its_files(
    catalogue: Catalogue, folder: Path
) -> None:
    inner = folder / ".inner"
    inner.mkdir()
    (inner / "a.mp3").write_bytes(b"x")
    enqueuer = Enqueuer(
        [folder, inner],
        FileFilter(["mp3"], [".*"]),
        lambda: SETTLE_S,
        catalogue,
        mounts=NestedMounts([folder]),
        clock=lambda: NOON,
        queued=lambda: None,
        expected=lambda: None,
    )
    enqueuer.path_changed(inner / "a.mp3", 0.0)
    assert enqueuer.next_due() is not None


def test_a_folder_moved_out_takes_its_files_along(
    enqueuer: Enqueuer, catalogue: Catalogue, folder: Path, tmp_path: Path
) -> None:
    album = folder / "album"
    album.mkdir()
    (album / "a.mp3").write_bytes(b"x")
    enqueuer.path_changed(album, 0.0)
    enqueuer.settle(SETTLE_S)
    process_all(catalogue)
    album.rename(tmp_path / "out")
    enqueuer.path_changed(album, 10.0)
    clip = catalogue.clip_at(album / "a.mp3")
    assert clip is not None
    assert clip.is_missing


def test_nothing_is_missing_where_another_service_watches_now(
    enqueuer: Enqueuer, catalogue: Catalogue, folder: Path
) -> None:
    file = folder / "a.mp3"
    file.write_bytes(b"x")
    (folder / "cover.jpg").write_bytes(b"something else is still there")
    enqueuer.path_changed(file, 0.0)
    enqueuer.settle(SETTLE_S)
    process_all(catalogue)
    enqueuer.holds = lambda path: path != file
    file.unlink()
    enqueuer.path_changed(file, 10.0)
    reconciled(enqueuer, 20.0)
    assert [*stamps_of(catalogue)] == [file]
    enqueuer.holds = lambda _: True
    enqueuer.path_changed(file, 30.0)
    assert not stamps_of(catalogue)


@pytest.mark.parametrize(("age_s", "at_once"), [(SETTLE_S + 1, ["a.mp3"]), (SETTLE_S - 1, [])])
def test_a_reconcile_queues_old_files_at_once_and_lets_fresh_ones_settle(
    catalogue: Catalogue, folder: Path, age_s: float, at_once: list[str]
) -> None:
    (folder / "a.mp3").write_bytes(b"x")
    now = datetime.fromtimestamp((folder / "a.mp3").stat().st_ctime + age_s, UTC)
    enqueuer = made(folder, catalogue, [], now)
    reconciled(enqueuer, 0.0)
    assert queued(catalogue) == at_once
    assert len(enqueuer.unsettled()) == 1 - len(at_once)


def test_a_reconcile_marks_what_is_gone_and_queues_it_when_it_returns(
    enqueuer: Enqueuer, catalogue: Catalogue, folder: Path
) -> None:
    file = folder / "a.mp3"
    file.write_bytes(b"x")
    enqueuer.path_changed(file, 0.0)
    enqueuer.settle(SETTLE_S)
    process_all(catalogue)
    (folder / "cover.jpg").write_bytes(b"something else is still there")
    file.rename(folder.parent / "away")
    assert reconciled(enqueuer, 10.0).gone == [str(file)]
    assert stamps_of(catalogue) == {}
    (folder.parent / "away").rename(file)
    reconciled(enqueuer, 20.0)
    enqueuer.settle(20.0 + SETTLE_S)
    assert queued(catalogue) == ["a.mp3"]
