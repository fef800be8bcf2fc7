"""Watching by the real kernel: what is reported, what is lost, what is not granted."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from contextlib import closing, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest

from config.settings import FolderSettings
from daemon.watch.file_filter import FileFilter
from daemon.watch.nested_mounts import NestedMounts
from daemon.watch.scanner import SkippedEntries, folders_in
from daemon.watch.watched_folders import WatchedFolders
from daemon.watch.watcher import Watcher, granted_watches
from tests.driving import PATIENCE_S
from tests.sounds import music_like, write_audio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.driving import Valenced

# The limit of a user namespace; the better known fs.inotify.max_user_watches holds for all users.
LIMIT = Path("/proc/sys/user/max_inotify_watches")
SYSTEM_LIMIT = Path("/proc/sys/fs/inotify/max_user_watches")
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


class Reports:
    """Takes what a watcher reports, in whatever thread."""

    def __init__(self) -> None:
        self._paths: SimpleQueue[Path] = SimpleQueue()

    def __call__(self, path: Path) -> None:
        self._paths.put(path)

    def wait_for(self, path: Path) -> None:
        while self._paths.get(timeout=PATIENCE_S) != path:
            pass


class Stopping(Watcher):
    def close(self) -> None:
        self.stop()


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def watcher(reports: Reports) -> Iterator[Watcher]:
    with closing(Stopping(reports, overflowed=lambda: None)) as started:
        yield started


def watch_whole(watcher: Watcher, folder: Path) -> None:
    """Watch a folder with all that is inside, as a comparison does."""
    watcher.watch([FolderSettings(path=folder)])
    for _ in folders_in(folder, FileFilter(["mp3"], []), SkippedEntries(), watcher.add):
        pass


def test_files_made_moved_and_deleted_anywhere_below_are_reported(
    tmp_path: Path, watcher: Watcher, reports: Reports
) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    watch_whole(watcher, tmp_path)
    file = tmp_path / "deep" / "er" / os.fsdecode(b"caf\xe9\n.mp3")
    file.write_bytes(b"x")
    reports.wait_for(file)
    moved = file.rename(tmp_path / "moved.mp3")
    reports.wait_for(moved)
    moved.unlink()
    reports.wait_for(moved)
    assert watcher.watched_by(tmp_path) == "events"
    assert tmp_path.stat().st_ino in granted_watches()


def test_the_kernel_is_not_asked_to_report_reading(tmp_path: Path, watcher: Watcher) -> None:
    reading = 0x01 | 0x10 | 0x20  # IN_ACCESS, IN_CLOSE_NOWRITE, IN_OPEN
    watcher.watch([FolderSettings(path=tmp_path)])
    masks = []
    for entry in Path("/proc/self/fdinfo").iterdir():
        # Listing the descriptors takes one, which is gone then.
        with suppress(FileNotFoundError):
            text = entry.read_text()
            masks += re.findall(
                rf"^inotify .*ino:{tmp_path.stat().st_ino:x}.* mask:(\w+)", text, re.MULTILINE
            )
    assert masks
    assert not any(int(mask, 16) & reading for mask in masks)


def test_a_folder_that_went_away_is_watched_again_when_it_is_back(
    tmp_path: Path, watcher: Watcher, reports: Reports
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    folders = WatchedFolders([FolderSettings(path=disk)], watcher, NestedMounts([disk]))
    folders.start()
    assert not folders.refresh()
    disk.rename(tmp_path / "unplugged")
    assert folders.refresh()
    assert not folders.refresh()
    disk.mkdir()
    assert folders.refresh()
    assert not folders.refresh()
    (disk / "a.mp3").write_bytes(b"x")
    reports.wait_for(disk / "a.mp3")


def test_a_folder_that_is_not_there_at_the_start_is_watched_later(
    tmp_path: Path, watcher: Watcher, reports: Reports
) -> None:
    disk = tmp_path / "disk"
    folders = WatchedFolders([FolderSettings(path=disk)], watcher, NestedMounts([disk]))
    folders.start()
    assert watcher.watched_by(disk) == "nothing"
    disk.mkdir()
    assert folders.refresh()
    assert watcher.watched_by(disk) == "events"
    (disk / "a.mp3").write_bytes(b"x")
    reports.wait_for(disk / "a.mp3")


def test_a_folder_to_be_polled_that_is_not_there_at_the_start_is_polled_later(
    tmp_path: Path, watcher: Watcher
) -> None:
    disk = tmp_path / "disk"
    folders = WatchedFolders(
        [FolderSettings(path=disk, mode="poll")], watcher, NestedMounts([disk])
    )
    folders.start()
    assert watcher.watched_by(disk) == "nothing"
    for _ in range(2):
        disk.mkdir()
        assert folders.refresh()
        assert watcher.watched_by(disk) == "polling"
        disk.rmdir()
        assert folders.refresh()


def test_how_a_folder_is_watched_is_decided_again_when_it_is_back(
    tmp_path: Path, watcher: Watcher
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    folder = FolderSettings(path=disk)
    watcher.watch([folder.model_copy(update={"mode": "poll"})])
    assert watcher.watched_by(disk) == "polling"
    watcher.watch_again(folder)
    assert watcher.watched_by(disk) == "events"


def test_a_watch_that_is_stopped_during_many_events_logs_nothing(
    tmp_path: Path, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    watcher.watch([FolderSettings(path=tmp_path)])
    busy = 'while :; do for n in 1 2 3 4 5 6 7 8; do : > "$0/$n.mp3"; done; done'
    with subprocess.Popen(["sh", "-c", busy, tmp_path]) as writer:
        for _ in range(100):
            watcher.watch_again(FolderSettings(path=tmp_path))
        writer.kill()
    watcher.stop()
    # A fast writer may overflow the queue, which is the kernel's business and not the ending's.
    assert [text for text in caplog.messages if "overflow" not in text] == []


def test_a_watched_folder_that_is_moved_away_is_watched_again_when_it_is_back(
    valenced: Valenced, music: Path
) -> None:
    write_audio(music / "a.wav", music_like(1))
    with valenced.start("run", "--no-tags", "--set", "log.level=debug", music) as service:
        service.wait_for("a.wav", "arousal")
        music.rename(music.with_name("moved"))
        service.wait_for("is gone; its records are kept")
        # The next comparison sets the watches of what is there.
        service.wait_for("compared the folders")
        music.with_name("moved").rename(music)
        write_audio(music / "b.wav", music_like(2))
        service.wait_for("b.wav", "arousal")
        assert service.stop() == 0


def test_a_polled_folder_needs_no_events(valenced: Valenced, music: Path) -> None:
    folder = f'watch.folder=[{{path = "{music}", mode = "poll"}}]'
    with valenced.start("run", "--set", folder) as service:
        service.wait_for("watching")
        assert valenced.read("status")["folders"][0]["watched_by"] == "polling"
        write_audio(music / "a.wav", music_like(1))
        service.wait_for("a.wav", "arousal")


def test_events_that_the_kernel_dropped_lead_to_a_scan(valenced: Valenced, music: Path) -> None:
    room = int(QUEUE.read_text())
    if room > 100_000:
        pytest.skip(f"the kernel queues {room} events here; too many to overflow in a test")
    sound = write_audio(music.parent / "a.wav", music_like(1)).read_bytes()
    with valenced.start("run", music) as service:
        service.wait_for("watching")
        service.process.send_signal(signal.SIGSTOP)
        # Each makes two events: it is created, and closed after writing.
        for number in range(room):
            (music / f"{number}.txt").touch()
        (music / "a.wav").write_bytes(sound)
        service.process.send_signal(signal.SIGCONT)
        service.wait_for("a.wav", "arousal")
        assert any("overflow" in line for line in service.lines)


def test_a_tree_that_exceeds_the_watch_limit_is_polled_and_reported(
    valenced: Valenced, music: Path
) -> None:
    for number in range(8):
        (music / f"album {number}").mkdir()
    line = valenced.line("run", music)
    inside = f"echo 3 > {LIMIT} && exec {shlex.join(map(str, line))}"
    unshare = ["unshare", "--user", "--map-root-user", "sh", "-c"]
    system_limit = SYSTEM_LIMIT.read_text()
    probe = subprocess.run([*unshare, f"echo 3 > {LIMIT}"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("no user namespace to set a limit in")
    with valenced.start_line([*unshare, inside]) as service:
        said = service.wait_for("polled instead of watched")
        assert "sysctl fs.inotify.max_user_watches=" in said
        status = valenced.read("status")
        assert any("polled instead of watched" in line for line in status["degraded"])
        write_audio(music / "album 7" / "a.wav", music_like(1))
        service.wait_for("a.wav", "arousal")
    assert SYSTEM_LIMIT.read_text() == system_limit
