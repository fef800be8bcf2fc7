"""Watches of the kernel that outlast lost events."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue

import pytest

from config.settings import FolderSettings
from daemon.watch.file_filter import FileFilter
from daemon.watch.kernel_watches import KernelObserver
from daemon.watch.scanner import SkippedEntries, folders_in
from daemon.watch.watcher import Watcher, granted_watches
from tests.driving import PATIENCE_S

QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


class Stopping(Watcher):
    def close(self) -> None:
        self.stop()


def watch_whole(watcher: Watcher, folder: Path) -> SkippedEntries:
    """Watch the folders inside a watched one, as a comparison does."""
    skipped = SkippedEntries()
    for _ in folders_in(folder, FileFilter(["mp3"], []), skipped, watcher.add):
        pass
    return skipped


def test_an_overflow_is_told_once_and_every_watch_outlasts_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # To remove their watches, as watchdog itself does, would overflow the queue again.
    room = int(QUEUE.read_text())
    if room > 100_000:
        pytest.skip(f"the kernel queues {room} events here; too many to overflow in a test")
    told: SimpleQueue[Path | None] = SimpleQueue()
    for number in range(room + 100):
        os.mkdir(f"{tmp_path}/{number}")  # noqa: PTH102 - there are many
    names = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for name in names:
        name.touch()
    with closing(Stopping(told.put, lambda: told.put(None))) as watcher:
        watcher.watch([FolderSettings(path=tmp_path)])
        watched = watch_whole(watcher, tmp_path).directories[tmp_path]
        assert watched <= granted_watches()
        (observer,) = watcher._observers.values()
        assert isinstance(observer, KernelObserver)
        with observer._kernel._lock:
            # Nobody reads meanwhile; two files by turns, as equal events in a row become one.
            for _ in range(room):
                for name in names:
                    os.utime(name)
            made = tmp_path / "made meanwhile"
            made.mkdir()
            # Folders that change places, whose watches stay with them.
            (tmp_path / "1").rename(tmp_path / "aside")
            (tmp_path / "2").rename(tmp_path / "1")
            (tmp_path / "aside").rename(tmp_path / "2")
        while told.get(timeout=PATIENCE_S) is not None:
            pass
        assert watched <= granted_watches()
        watch_whole(watcher, tmp_path)
        for folder in (made, tmp_path / "1", tmp_path / "2"):
            (folder / "c.mp3").touch()
            while told.get(timeout=PATIENCE_S) != folder / "c.mp3":
                pass
        # What is known of the places before must not come back with the next move.
        (tmp_path / "2").rename(tmp_path / "3" / "2")
        (tmp_path / "1" / "d.mp3").touch()
        while told.get(timeout=PATIENCE_S) != tmp_path / "1" / "d.mp3":
            pass
    assert len([text for text in caplog.messages if "overflow" in text]) == 1


def test_the_watch_of_a_folder_that_was_moved_away_ends_without_harm(tmp_path: Path) -> None:
    # watchdog itself reads no event any more then, and says so nowhere.
    told: SimpleQueue[Path] = SimpleQueue()
    folder, outside = tmp_path / "music", tmp_path / "outside"
    album = folder / "album"
    album.mkdir(parents=True)
    with closing(Stopping(told.put, lambda: None)) as watcher:
        watcher.watch([FolderSettings(path=folder)])
        watch_whole(watcher, folder)
        album.rename(outside)
        album.mkdir()
        (album / "a.mp3").touch()
        while told.get(timeout=PATIENCE_S) != album / "a.mp3":
            pass
        (album / "a.mp3").unlink()
        album.rmdir()
        outside.rmdir()
        (folder / "b.mp3").touch()
        while told.get(timeout=PATIENCE_S) != folder / "b.mp3":
            pass


def test_a_disk_that_comes_and_goes_during_comparisons_is_not_polled(tmp_path: Path) -> None:
    folder = FolderSettings(path=tmp_path)
    (tmp_path / "album").mkdir()
    with closing(Stopping(lambda _: None, lambda: None)) as watcher:
        watcher.watch([folder])
        for _ in range(3):
            directories = watch_whole(watcher, tmp_path).directories
            watcher.watch_again(folder)
            assert watcher.check_watches(directories)
        assert watcher.watched_by(tmp_path) == "events"
        directories = watch_whole(watcher, tmp_path).directories
        assert not watcher.check_watches(directories)
