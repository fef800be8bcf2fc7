from __future__ import annotations

import os
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from watchdog.observers.inotify_c import InotifyConstants, InotifyFD, inotify_add_watch

from daemon.watch.file_filter import FileFilter
from daemon.watch.folder_comparison import FolderComparison, compare, comparing
from daemon.watch.nested_mounts import NestedMounts
from daemon.watch.scanner import MANY
from storage.catalogue import Catalogue
from storage.schema.file_stamps import FileStamp
from tests.records import NOON, record_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Recorded = dict[Path, FileStamp]
    Compared = Callable[[list[Path], Recorded, Recorded], FolderComparison]

FILTER = FileFilter(["mp3"], [".*"])


def made(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def recorded(*paths: Path) -> Recorded:
    return {path: FileStamp.of(path.lstat()) for path in paths}


@pytest.fixture
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    file = tmp_path_factory.mktemp("state") / "catalogue.db"
    with closing(Catalogue(f"sqlite:///{file}")) as opened:
        yield opened


@pytest.fixture
def compared(catalogue: Catalogue) -> Compared:
    """Record files in a catalogue and in its queue, and compare folders with both."""

    def compared(roots: list[Path], known: Recorded, queue: Recorded) -> FolderComparison:
        catalogue.queue.put(known.items(), NOON)
        while entry := catalogue.queue.claim(NOON):
            record_entry(catalogue, entry)
        catalogue.queue.put(queue.items(), NOON)
        with catalogue.known_files() as files:
            return compare(roots, FILTER, files, NestedMounts(roots))

    return compared


def test_a_comparison_tells_new_changed_known_and_gone_apart(
    tmp_path: Path, compared: Compared
) -> None:
    known, changed = made(tmp_path / "known.mp3"), made(tmp_path / "changed.mp3")
    gone, queued = made(tmp_path / "gone.mp3"), made(tmp_path / "queued.mp3")
    stamps, waiting = recorded(known, changed, gone), recorded(queued)
    changed.write_bytes(b"longer")
    gone.unlink()
    new = made(tmp_path / "new.mp3")
    found = compared([tmp_path], stamps, waiting)
    assert {entry.path for entry in found.new} == {new, changed}
    assert found.known == 2
    assert found.gone == [str(gone)]


def test_files_outside_the_compared_folders_are_not_gone(
    tmp_path: Path, compared: Compared
) -> None:
    (tmp_path / "here").mkdir()
    elsewhere = Path("/elsewhere/a.mp3")
    found = compared([tmp_path / "here"], {elsewhere: FileStamp(1, 1, 1)}, {})
    assert found.gone == []


def test_overlapping_folders_count_a_file_once(tmp_path: Path, compared: Compared) -> None:
    file = made(tmp_path / "sub" / "a.mp3")
    found = compared([tmp_path, tmp_path / "sub"], {}, {})
    assert [entry.path for entry in found.new] == [file]


def test_a_folder_that_cannot_be_listed_says_nothing_of_its_files(
    tmp_path: Path, compared: Compared
) -> None:
    away = tmp_path / "unmounted"
    file = away / "a.mp3"
    found = compared([away], {file: FileStamp(1, 1, 1)}, {})
    assert found.gone == []
    assert "No such file" in found.unreadable[away]


def test_a_folder_that_is_suddenly_empty_is_a_disk_that_is_away(
    tmp_path: Path, compared: Compared
) -> None:
    point = tmp_path / "disk"
    point.mkdir()
    known = {point / "a.mp3": FileStamp(1, 1, 1)}
    found = compared([point], known, {})
    assert found.gone == []
    assert "is its disk mounted" in found.unreadable[point]
    (point / "cover.jpg").write_bytes(b"x")
    assert compared([point], known, {}).gone == [*map(str, known)]


def test_every_directory_that_counts_is_reported(tmp_path: Path, compared: Compared) -> None:
    for name in ("a/b", ".hidden/c"):
        (tmp_path / name).mkdir(parents=True)
    expected = {path.stat().st_ino for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")}
    assert compared([tmp_path], {}, {}).directories == {tmp_path: expected}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_closed_folder_hides_only_itself(tmp_path: Path, compared: Compared) -> None:
    inside = made(tmp_path / "closed" / "a.mp3")
    stamps = recorded(inside)
    inside.parent.chmod(0)
    try:
        found = compared([tmp_path], stamps, {})
    finally:
        inside.parent.chmod(0o700)
    assert found.gone == []
    assert "Permission" in found.unreadable[inside.parent]


def known_library(folder: Path, catalogue: Catalogue, folders: int, files: int) -> None:
    """Make folders of files that a catalogue knows; all have one sound."""
    identity, clip = (
        "INSERT INTO identities VALUES (1, 'one')",
        (
            "INSERT INTO clips (directory_id, name, sound_id, size, mtime_ns, inode, ctime_ns,"
            " found_at, tag_state) VALUES (?, ?, 1, ?, ?, ?, ?, 0, 'off')"
        ),
    )
    with closing(sqlite3.connect(catalogue.engine.url.database or "")) as plain:
        plain.execute(identity)
        for number in range(folders):
            inner = folder / f"album {number}"
            plain.execute("INSERT INTO directories (id, path) VALUES (?, ?)", (number, f"{inner}/"))
            for file in (made(inner / f"{name}.mp3") for name in range(files)):
                stamp = FileStamp.of(file.lstat())
                numbers = stamp.size, stamp.mtime_ns, stamp.inode, stamp.ctime_ns
                plain.execute(clip, (number, file.name, *numbers))
        plain.commit()


def compared_with(catalogue: Catalogue, root: Path) -> FolderComparison:
    with catalogue.known_files() as files:
        return compare([root], FILTER, files, NestedMounts([root]))


def test_a_comparison_opens_no_file(tmp_path: Path, catalogue: Catalogue) -> None:
    known_library(tmp_path, catalogue, folders=2, files=5)
    kernel = InotifyFD()
    mask = InotifyConstants.IN_OPEN
    for folder in (tmp_path, *tmp_path.iterdir()):
        wd = inotify_add_watch(kernel._inotify_fd, os.fsencode(folder), mask)
        assert wd > 0
    assert compared_with(catalogue, tmp_path).known == 10
    (tmp_path / "the last.mp3").touch()
    opened: list[bytes] = []
    while b"the last.mp3" not in opened:
        opened += [event.name for event in kernel.read_events() if not event.is_directory]
    kernel.close()
    assert opened == [b"the last.mp3"]


def test_a_comparison_takes_the_memory_of_one_folder(tmp_path: Path, catalogue: Catalogue) -> None:
    known_library(tmp_path, catalogue, folders=20, files=60)
    compared_with(catalogue, tmp_path)
    tracemalloc.start()
    try:
        assert compared_with(catalogue, tmp_path).known == 1200
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # All paths and stamps together are five times as large.
    assert peak < 200_000


def test_a_folder_of_very_many_files_is_compared_in_parts(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    known_library(tmp_path, catalogue, folders=1, files=2 * MANY + 500)
    folder = tmp_path / "album 0"
    new = made(folder / "new.mp3")
    changed = made(folder / "7.mp3", b"longer")
    gone = [folder / "8.mp3", folder / f"{MANY + 1}.mp3"]
    for file in gone:
        file.unlink()
    found = FolderComparison()
    with catalogue.known_files() as files:
        at_once, largest = 0, 0
        for _ in comparing(found, [tmp_path], FILTER, files, NestedMounts([tmp_path])):
            at_once, largest = found.known, max(largest, found.known - at_once)
    assert largest <= MANY
    assert found.known == 2 * MANY + 500 - 3
    assert {entry.path for entry in found.new} == {new, changed}
    assert sorted(found.gone) == sorted(map(str, gone))
    # What is not watched for any more is gone, too.
    with catalogue.known_files() as files:
        narrow = FileFilter(["mp3"], ["*9.mp3"])
        names = {
            Path(name).name for name in compare([tmp_path], narrow, files, NestedMounts([])).gone
        }
    assert names == {f"{n}.mp3" for n in range(2 * MANY + 500) if n % 10 == 9} | {
        file.name for file in gone
    }
