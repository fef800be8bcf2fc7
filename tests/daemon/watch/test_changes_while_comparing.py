"""What happens to folders while they are compared, at the very moment that is worst."""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.watch.enqueue import Enqueuer
from daemon.watch.file_filter import FileFilter
from daemon.watch.folder_comparison import FolderComparison
from daemon.watch.nested_mounts import NestedMounts
from storage.catalogue import Catalogue
from storage.schema.file_stamps import FileStamp
from tests.records import NOON, record_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class ActingFilter(FileFilter):
    """Acts once a file was listed, before its stamp is read."""

    act: Callable[[], object] = staticmethod(lambda: None)

    def allows_file(self, name: str) -> bool:
        act, self.act = self.act, lambda: None
        act()
        return super().allows_file(name)


@dataclass
class Library:
    """A folder with the files `a/1.mp3`, `b/1.mp3` and `c/1.mp3`, known to a catalogue."""

    folder: Path
    catalogue: Catalogue
    mountinfo: Path
    file_filter: ActingFilter = field(default_factory=lambda: ActingFilter(["mp3"], [".*"]))

    def __post_init__(self) -> None:
        for name in ("a/1.mp3", "b/1.mp3", "c/1.mp3"):
            self.record(name)
        self.mountinfo.touch()
        self.mounts = NestedMounts([self.folder], mounts=self.mountinfo)
        self.enqueuer = Enqueuer(
            [self.folder],
            self.file_filter,
            # As if every file had been left alone for long.
            lambda: -1e12,
            self.catalogue,
            mounts=self.mounts,
            clock=lambda: NOON,
            queued=lambda: None,
            expected=lambda: None,
        )

    def record(self, name: str) -> None:
        file = self.made(name)
        self.catalogue.queue.put([(file, FileStamp.of(file.lstat()))], NOON)
        entry = self.catalogue.queue.claim(NOON)
        assert entry is not None
        record_entry(self.catalogue, entry)

    def made(self, name: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
        return file

    def mount(self, *points: Path) -> None:
        """Let only these be mount points."""
        lines = [f"31 30 8:17 / {point} rw - xfs /dev/sdb1 rw\n" for point in points]
        self.mountinfo.write_text("".join(lines))

    def compare(self, act: Callable[[Path], object] | None = None) -> FolderComparison:
        """Compare; act on a folder inside, of which there may be more, before it is listed."""
        actions = [] if act is None else [act]

        def watch(folder: str) -> None:
            if Path(folder) != self.folder and actions:
                actions.pop()(Path(folder))

        found = FolderComparison()
        for _ in self.enqueuer.reconciling(found, lambda: 0.0, watch):
            pass
        return found

    @property
    def missing(self) -> set[str]:
        clips = self.catalogue.engine.connect()
        with closing(clips):
            rows = clips.exec_driver_sql(
                "SELECT path || name FROM clips JOIN directories ON directories.id = directory_id"
                " WHERE missing_since IS NOT NULL"
            )
            return {row[0].removeprefix(f"{self.folder}/") for row in rows}

    @property
    def queued(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.catalogue.queued_stamps()}


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with closing(Catalogue(f"sqlite:///{tmp_path / 'state' / 'catalogue.db'}")) as catalogue:
        (tmp_path / "music").mkdir()
        yield Library(tmp_path / "music", catalogue, tmp_path / "mountinfo")


def bare(library: Library) -> Path:
    """Take the whole library away, as an unmount does, and leave an empty folder."""
    away = library.folder.with_name("away")
    library.folder.rename(away)
    library.folder.mkdir()
    return away


@pytest.mark.parametrize("left", ["nothing", "an empty folder", "another file"])
def test_a_library_that_goes_away_between_two_steps_loses_no_record(
    library: Library, left: str
) -> None:
    def vanish(_: Path) -> None:
        bare(library)
        if left == "nothing":
            library.folder.rmdir()
        if left == "another file":
            (library.folder / "cover.jpg").touch()

    found = library.compare(vanish)
    assert library.missing == set()
    assert list(found.unreadable) == [library.folder]
    shutil.rmtree(library.folder, ignore_errors=True)
    library.folder.with_name("away").rename(library.folder)
    assert library.compare().known == 3
    assert library.queued == set()


def test_a_library_that_goes_away_before_a_stamp_is_read_loses_no_record(library: Library) -> None:
    def vanish() -> None:
        bare(library)
        (library.folder / "cover.jpg").touch()

    library.file_filter.act = vanish
    library.compare()
    assert library.missing == set()


def test_a_library_that_goes_away_before_files_are_marked_loses_no_record(library: Library) -> None:
    (library.folder / "a" / "1.mp3").unlink()
    found = FolderComparison()
    for _ in library.enqueuer.reconciling(found, lambda: 0.0):
        if found.gone and not library.folder.with_name("away").exists():
            bare(library)
    assert library.missing == set()
    library.folder.rmdir()
    library.folder.with_name("away").rename(library.folder)
    library.compare()
    assert library.missing == {"a/1.mp3"}


@pytest.mark.parametrize("at", ["disk", "disk/album/deep"])
def test_a_disk_inside_that_goes_away_during_a_comparison_loses_no_record(
    library: Library, tmp_path: Path, at: str
) -> None:
    disk = library.folder / "disk"
    library.record("disk/album/1.mp3")
    library.record("disk/album/deep/1.mp3")
    library.mount(disk)

    def unmount(*_: object) -> None:
        disk.rename(tmp_path / "disk away")
        disk.mkdir()
        library.mount()

    found = FolderComparison()
    seen = library.folder / at
    for _ in library.enqueuer.reconciling(
        found, lambda: 0.0, lambda folder: unmount() if Path(folder) == seen else None
    ):
        pass
    assert library.missing == set()
    assert "not mounted" in library.compare().unreadable[disk]
    assert library.missing == set()
    disk.rmdir()
    (tmp_path / "disk away").rename(disk)
    library.mount(disk)
    assert library.compare().known == 5


def test_a_folder_that_is_renamed_during_a_comparison_is_found_under_its_new_name(
    library: Library,
) -> None:
    renamed = []

    def rename(folder: Path) -> None:
        renamed.append(folder.name)
        folder.rename(folder.with_name("new name"))

    found = library.compare(rename)
    assert found.unreadable == {}
    assert library.missing == {f"{renamed[0]}/1.mp3"}
    library.compare()
    assert library.queued == {"new name/1.mp3"}


def test_a_folder_that_is_moved_into_one_still_to_be_listed_is_found_there(
    library: Library,
) -> None:
    moved = []

    def move(folder: Path) -> None:
        into = folder
        moved.append(next(inner for inner in library.folder.iterdir() if inner != into))
        moved[0].rename(into / moved[0].name)

    library.compare(move)
    library.compare()
    assert library.missing == {f"{moved[0].name}/1.mp3"}
    (queued,) = library.queued
    assert queued.endswith(f"/{moved[0].name}/1.mp3")


def test_a_file_added_to_a_folder_that_was_compared_is_found_by_the_next(library: Library) -> None:
    added = []

    def add(folder: Path) -> None:
        # The topmost folder was listed before all others.
        added.append(library.made("new.mp3").name)
        added.append(str(library.made(f"{folder.name}/new.mp3").relative_to(library.folder)))

    library.compare(add)
    assert library.queued == {added[1]}
    library.compare()
    assert library.queued == set(added)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_folder_that_becomes_a_link_during_a_comparison_leads_nowhere(
    library: Library, tmp_path: Path, depth: int
) -> None:
    outside = tmp_path / "private"
    for name in ("secret.mp3", "deep/secret.mp3"):
        (outside / name).parent.mkdir(parents=True, exist_ok=True)
        (outside / name).write_bytes(b"secret")
    library.record("d/deep/1.mp3")
    exchanged = library.folder / "d" if depth == 1 else library.folder / "d" / "deep"

    def exchange(folder: str) -> None:
        if Path(folder) == exchanged or (depth == 2 and Path(folder) == library.folder / "d/deep"):
            (library.folder / "d").rename(tmp_path / "kept")
            (library.folder / "d").symlink_to(outside)

    found = FolderComparison()
    for _ in library.enqueuer.reconciling(found, lambda: 0.0, exchange):
        pass
    assert library.queued == set()
    assert library.missing == {"d/deep/1.mp3"}


def test_a_file_that_becomes_a_link_once_it_was_listed_is_left_alone(
    library: Library, tmp_path: Path
) -> None:
    new = library.made("new.mp3")

    def exchange() -> None:
        new.unlink()
        new.symlink_to(tmp_path)

    library.file_filter.act = exchange
    library.compare()
    assert library.queued == set()


def test_a_link_that_stays_is_an_ordinary_way_to_a_library(
    library: Library, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(library.folder)
    library.enqueuer.change([link], library.file_filter)
    library.compare()
    files = library.catalogue.queued_stamps()
    assert {path.relative_to(link) for path in files} == {Path(f"{x}/1.mp3") for x in "abc"}


def test_a_comparison_that_is_abandoned_holds_up_nothing(library: Library) -> None:
    (library.folder / "a" / "1.mp3").unlink()
    steps = library.enqueuer.reconciling(FolderComparison(), lambda: 0.0)
    next(steps)
    library.record("b/2.mp3")
    steps.close()
    library.compare()
    assert library.missing == {"a/1.mp3"}
