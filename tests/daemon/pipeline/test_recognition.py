"""Which files are read again, and which are known although something about them has changed."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from config.loading import load
from daemon.clock import utc_now
from daemon.pipeline.recognition import is_same, look_of
from daemon.pipeline.stages import Pipeline
from daemon.pipeline.tag_sync import TagSync
from daemon.watch.file_filter import FileFilter
from daemon.watch.folder_comparison import FolderComparison, compare
from daemon.watch.nested_mounts import NestedMounts
from daemon.worker.active_bundle import ActiveBundle
from daemon.worker.worker_client import WorkerClient
from storage.catalogue import Catalogue
from storage.schema.file_stamps import FileLook, FileStamp
from storage.schema.records import Clip, TagState
from tests.records import WORKER_LIMITS
from tests.sounds import music_like, write_audio
from trainer.bundles.bundle import authenticated
from trainer.bundles.registry import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from storage.schema.records import Analysis
    from trainer.audio.sound_file import SoundFile

NUMBERS = count()
HOUR_NS, SECOND_NS = 3600 * 10**9, 10**9
COARSE = FileStamp(100, 4 * SECOND_NS, 7, 4 * SECOND_NS)
FINE = FileStamp(100, 123456789, 7, 987654321)


class Reader(WorkerClient):
    """A worker that tells which files it reads whole, and which it hears."""

    def __init__(self) -> None:
        super().__init__(WORKER_LIMITS)
        self.read: list[str] = []
        self.heard: list[str] = []

    def identify(self, file: Path | SoundFile) -> str:
        self.read.append(name_of(file))
        return super().identify(file)

    def analyse(self, file: Path | SoundFile, identity: str, bundle: ActiveBundle) -> Analysis:
        self.heard.append(name_of(file))
        return super().analyse(file, identity, bundle)


def name_of(file: Path | SoundFile) -> str:
    return file.name if isinstance(file, Path) else file.path.name


class Library:
    """Tagged songs in a folder, and what a reconcile does about them."""

    def __init__(self, folder: Path, catalogue: Catalogue, worker: Reader) -> None:
        self.folder, self.catalogue, self.worker = folder, catalogue, worker
        directory, manifest = prepare(folder.parent / "bundles")
        key = authenticated(directory)[1]
        bundle = ActiveBundle(directory, manifest.name, manifest.hearing, key)
        settings = load(environ={}).settings
        tag_sync = TagSync(settings.tags, settings.mood, catalogue, utc_now)
        self._pipeline = Pipeline(catalogue, bundle, tag_sync, lambda _: True, lambda: 0.0, utc_now)

    def compared(self) -> FolderComparison:
        mounts = NestedMounts([self.folder])
        with self.catalogue.known_files() as known:
            return compare([self.folder], FileFilter(["mp3"], []), known, mounts)

    def reconcile(self) -> tuple[list[str], list[str]]:
        """Process what differs; return the names of the files read whole, and of those heard."""
        self.worker.read, self.worker.heard = [], []
        found = self.compared()
        self.catalogue.restamp(found.restamped)
        self.catalogue.queue.put([(new.path, new.stamp) for new in found.new], utc_now())
        while (entry := self.catalogue.queue.claim(utc_now())) is not None:
            self._pipeline.process(entry, self.worker)
        assert self.compared().new == []
        return self.worker.read, self.worker.heard

    def clip(self, path: Path) -> Clip:
        found = self.catalogue.clip_at(path)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("library")
    (folder / "music").mkdir()
    url = f"sqlite:///{folder / 'catalogue.db'}"
    with closing(Catalogue(url)) as catalogue, closing(Reader()) as worker:
        yield Library(folder / "music", catalogue, worker)


@pytest.fixture
def song(library: Library) -> Iterator[Path]:
    folder = library.folder / str(next(NUMBERS))
    folder.mkdir()
    path = write_audio(folder / "song.mp3", music_like(6, seed=int(folder.name)))
    library.reconcile()
    assert library.clip(path).tag_state is TagState.WRITTEN
    assert library.reconcile() == ([], [])
    yield path
    shutil.rmtree(folder)


def edit(path: Path, offset: int, *, mode: int | None = None) -> None:
    """Change bytes in place, and give the file its old time again."""
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(offset)
        before = file.read(4)
        file.seek(offset)
        file.write(bytes(byte ^ 0x55 for byte in before))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    if mode is not None:
        path.chmod(mode)
    assert path.stat().st_mtime_ns == times.st_mtime_ns


@pytest.mark.parametrize("mode", [None, 0o640], ids=["alone", "and permissions"])
def test_an_edit_that_keeps_time_and_size_is_seen(
    library: Library, song: Path, mode: int | None
) -> None:
    before = library.clip(song).identity
    edit(song, song.stat().st_size // 2 + (mode or 0), mode=mode)
    assert library.reconcile() == (["song.mp3"], ["song.mp3"])
    assert library.clip(song).identity != before


def rename(path: Path) -> Path:
    return path.rename(path.with_name("renamed.mp3"))


def link(path: Path) -> Path:
    path.with_name("linked.txt").hardlink_to(path)
    return path


def permit(path: Path) -> Path:
    path.chmod(0o604)
    return path


@pytest.mark.parametrize("change", [rename, link, permit])
def test_name_links_and_permissions_cost_no_reading(
    library: Library, song: Path, change: Callable[[Path], Path]
) -> None:
    before = library.clip(song)
    now = change(song)
    assert FileStamp.of(now.stat()) != before.stamp
    assert library.reconcile() == ([], [])
    clip = library.clip(now)
    assert (clip.id, clip.tag_state, clip.stamp) == (
        before.id,
        TagState.WRITTEN,
        FileStamp.of(now.stat()),
    )
    # An edit after that is seen all the same.
    edit(now, now.stat().st_size // 2)
    assert library.reconcile()[0] == [now.name]


def test_a_new_change_time_that_nothing_explains_costs_a_reading_but_no_hearing(
    library: Library, song: Path
) -> None:
    os.utime(song, ns=(0, song.stat().st_mtime_ns))
    assert library.reconcile() == (["song.mp3"], [])
    assert library.reconcile() == ([], [])


def test_a_copy_that_was_restored_in_its_place_is_read_but_not_heard(
    library: Library, song: Path
) -> None:
    shutil.copy2(song, song.with_name("backup.txt"))
    song.with_name("backup.txt").replace(song)
    assert library.reconcile() == (["song.mp3"], [])


def test_inodes_of_a_new_mount_cost_nothing(library: Library, song: Path) -> None:
    stamp = library.clip(song).stamp
    library.catalogue.restamp({song: replace(stamp, inode=stamp.inode + 1)})
    found = library.compared()
    assert (found.new, found.restamped) == ([], {song: stamp})
    library.catalogue.restamp(found.restamped)
    assert library.clip(song).stamp == stamp


def test_what_an_earlier_release_recorded_is_not_read_again(library: Library, song: Path) -> None:
    stamp = library.clip(song).stamp
    library.catalogue.restamp({song: replace(stamp, ctime_ns=None)})
    assert library.reconcile() == ([], [])
    assert library.clip(song).stamp == stamp


def test_a_file_that_was_given_up_stays_so_on_a_new_mount(library: Library, song: Path) -> None:
    bad = song.with_name("bad.mp3")
    bad.write_bytes(b"no sound")
    stamp = FileStamp.of(bad.stat())
    library.catalogue.queue.put([(bad, replace(stamp, inode=stamp.inode + 1))], utc_now())
    entry = library.catalogue.queue.claim(utc_now())
    assert entry is not None
    library.catalogue.queue.fail(entry, "no sound", None)
    assert library.reconcile() == ([], [])
    assert library.catalogue.queued_stamps() == {bad: stamp}


@pytest.mark.parametrize(
    ("before", "now", "is_certain"),
    [
        (FINE, replace(FINE, inode=8), True),
        (FINE, replace(FINE, ctime_ns=987654322), False),
        (COARSE, replace(COARSE, inode=8), False),
        (replace(FINE, ctime_ns=None), FINE, True),
        (replace(FINE, ctime_ns=None), replace(FINE, inode=8), False),
        (FINE, replace(FINE, size=101), False),
        (FINE, replace(FINE, mtime_ns=1), False),
    ],
)
def test_which_stamps_prove_that_a_file_is_the_same(
    before: FileStamp, now: FileStamp, *, is_certain: bool
) -> None:
    assert before.holds_for(now) is is_certain


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param(COARSE, replace(COARSE, inode=8), True, id="mounted again"),
        pytest.param(replace(COARSE, ctime_ns=9), COARSE, False, id="copied, mounted again"),
        pytest.param(
            replace(COARSE, ctime_ns=9), replace(COARSE, inode=8), True, id="and other inodes"
        ),
        pytest.param(
            COARSE, replace(COARSE, mtime_ns=COARSE.mtime_ns - HOUR_NS), True, id="winter time"
        ),
        pytest.param(
            COARSE, replace(COARSE, mtime_ns=COARSE.mtime_ns + 1700 * SECOND_NS), False, id="touch"
        ),
        pytest.param(
            replace(COARSE, mtime_ns=5 * SECOND_NS + 1), COARSE, True, id="rounded to 2 seconds"
        ),
        pytest.param(COARSE, replace(COARSE, mtime_ns=6 * SECOND_NS), False, id="2 seconds later"),
        pytest.param(FINE, replace(FINE, inode=8, ctime_ns=9), False, id="replaced"),
    ],
)
def test_which_times_of_fat_stand_for_no_change(
    before: FileStamp, now: FileStamp, *, expected: bool
) -> None:
    look, path = FileLook("100644 0:0 1", "ab"), Path("/m/a.mp3")
    clip = Clip(1, path, "x", before, TagState.OFF, None, is_missing=False, look=look)
    assert is_same(clip, path, now, look) is expected
    assert not is_same(clip, path, now, replace(look, sample="cd"))


def test_a_look_shows_changes_at_both_ends_and_none_of_what_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    looks = set()
    for at in (None, 0, 999_999):
        content = bytearray(1_000_000)
        if at is not None:
            content[at] = 1
        path.write_bytes(content)
        with path.open("rb") as file:
            looks.add(look_of(file.fileno()))
    assert len(looks - {None}) == 3
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        assert look_of(folder) is None
    finally:
        os.close(folder)
