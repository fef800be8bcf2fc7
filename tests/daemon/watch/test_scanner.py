from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.watch.file_filter import FileFilter
from daemon.watch.nested_mounts import NestedMounts
from daemon.watch.scanner import FolderComparison, SkippedEntries, compare, walk
from storage.schema.file_stamps import FileStamp

FILTER = FileFilter(["mp3"], [".*"])


def made(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def recorded(*paths: Path) -> dict[Path, FileStamp]:
    return {path: FileStamp.of(path.lstat()) for path in paths}


def compared(
    roots: list[Path], known: dict[Path, FileStamp], queue: dict[Path, FileStamp]
) -> FolderComparison:
    return compare(roots, FILTER, known, queue, NestedMounts(roots))


def test_a_walk_finds_sound_of_any_name_and_nothing_else(tmp_path: Path) -> None:
    odd = made(tmp_path / os.fsdecode(b"caf\xe9\n.mp3"))
    deep = made(tmp_path / "a" / "b" / "c.MP3")
    made(tmp_path / "cover.jpg")
    made(tmp_path / ".hidden" / "d.mp3")
    (tmp_path / "folder.mp3").mkdir()
    os.mkfifo(tmp_path / "pipe.mp3")
    (tmp_path / "link.mp3").symlink_to(deep)
    (tmp_path / "loop").symlink_to(tmp_path)
    found = {entry.path for entry in walk(tmp_path, FILTER, SkippedEntries())}
    assert found == {odd, deep}


def test_a_walk_notices_what_an_interrupted_write_left(tmp_path: Path) -> None:
    made(tmp_path / "album" / ".valenced-0123456789abcdef.tmp")
    made(tmp_path / "a.mp3")
    skipped = SkippedEntries()
    assert len(list(walk(tmp_path, FILTER, skipped))) == 1
    assert skipped.leftovers == {tmp_path / "album"}


def test_a_single_file_is_a_walk_of_one(tmp_path: Path) -> None:
    file = made(tmp_path / "a.mp3")
    assert [entry.path for entry in walk(file, FILTER, SkippedEntries())] == [file]


def test_a_comparison_tells_new_changed_known_and_gone_apart(tmp_path: Path) -> None:
    known, changed = made(tmp_path / "known.mp3"), made(tmp_path / "changed.mp3")
    gone, queued = made(tmp_path / "gone.mp3"), made(tmp_path / "queued.mp3")
    stamps, waiting = recorded(known, changed, gone), recorded(queued)
    changed.write_bytes(b"longer")
    gone.unlink()
    new = made(tmp_path / "new.mp3")
    found = compared([tmp_path], stamps, waiting)
    assert {entry.path for entry in found.new} == {new, changed}
    assert found.known == 2
    assert found.gone == [gone]


def test_files_outside_the_compared_folders_are_not_gone(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    elsewhere = Path("/elsewhere/a.mp3")
    found = compared([tmp_path / "here"], {elsewhere: FileStamp(1, 1, 1)}, {})
    assert found.gone == []


def test_overlapping_folders_count_a_file_once(tmp_path: Path) -> None:
    file = made(tmp_path / "sub" / "a.mp3")
    found = compared([tmp_path, tmp_path / "sub"], {}, {})
    assert [entry.path for entry in found.new] == [file]


def test_a_folder_that_cannot_be_listed_says_nothing_of_its_files(tmp_path: Path) -> None:
    away = tmp_path / "unmounted"
    file = away / "a.mp3"
    found = compared([away], {file: FileStamp(1, 1, 1)}, {})
    assert found.gone == []
    assert "No such file" in found.unreadable[away]


def test_a_folder_that_is_suddenly_empty_is_a_disk_that_is_away(tmp_path: Path) -> None:
    point = tmp_path / "disk"
    point.mkdir()
    known = {point / "a.mp3": FileStamp(1, 1, 1)}
    found = compared([point], known, {})
    assert found.gone == []
    assert "is its disk mounted" in found.unreadable[point]
    assert compared([point], {}, {}).unreadable == {}
    (point / "cover.jpg").write_bytes(b"x")
    assert compared([point], known, {}).gone == list(known)


def test_every_directory_that_counts_is_reported(tmp_path: Path) -> None:
    for name in ("a/b", ".hidden/c"):
        (tmp_path / name).mkdir(parents=True)
    expected = {path.stat().st_ino for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")}
    assert compared([tmp_path], {}, {}).directories == {tmp_path: expected}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_closed_folder_hides_only_itself(tmp_path: Path) -> None:
    inside = made(tmp_path / "closed" / "a.mp3")
    stamps = recorded(inside)
    inside.parent.chmod(0)
    try:
        found = compared([tmp_path], stamps, {})
    finally:
        inside.parent.chmod(0o700)
    assert found.gone == []
    assert "Permission" in found.unreadable[inside.parent]
