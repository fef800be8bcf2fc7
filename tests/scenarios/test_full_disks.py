"""Full, read-only and unmounted disks."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from config.settings import FolderSettings
from daemon.watch.nested_mounts import NestedMounts
from daemon.watch.watched_folders import WatchedFolders
from tests.sounds import music_like, write_audio
from tests.torture.disks import BALLAST, Full, NoDisk, ReadOnly, memory_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.driving import Valenced


@contextmanager
def mounted(point: Path, options: str) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(memory_disk(point, options))
        except NoDisk as error:
            pytest.skip(str(error))
        yield


def test_a_full_disk_keeps_the_tags_pending_until_there_is_room(
    valenced: Valenced, music: Path
) -> None:
    with mounted(music, "size=512k"):
        file = write_audio(music / "a.wav", music_like(2))
        before = file.read_bytes()
        (music / "ballast").write_bytes(bytes(512 * 1024 - len(before) - 16 * 1024))
        valenced("scan", music)
        (row,) = valenced.read("query")
        assert row["tag_state"].startswith("pending: ")
        assert "no room" in row["tag_state"]
        assert file.read_bytes() == before
        assert sorted(path.name for path in music.iterdir()) == ["a.wav", "ballast"]
        (music / "ballast").unlink()
        valenced("scan", music)
        assert valenced.read("query")[0]["tag_state"] == "written"


def test_a_catalogue_without_room_is_waited_for(
    valenced: Valenced, music: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with mounted(state, "size=24m"):
        disk = Full(state)
        with valenced.start("run", music) as service:
            service.wait_for("watching")
            disk.fail()
            write_audio(music / "a.wav", music_like(2))
            service.wait_for("full")
            write_audio(music / "b.wav", music_like(3))
            disk.repair()
            service.wait_until(lambda: len(valenced.read("query")) == 2)
            assert service.stop() == 0


def test_files_on_a_read_only_disk_are_analysed_and_not_changed(
    valenced: Valenced, music: Path
) -> None:
    with mounted(music, "size=2m"):
        file = write_audio(music / "a.flac", music_like(2))
        before = file.read_bytes()
        subprocess.run(["mount", "-o", "remount,ro", music], check=True)
        valenced("scan", music)
        (row,) = valenced.read("query")
        assert row["tag_state"].startswith("pending: ")
        assert "read-only" in row["tag_state"]
        assert file.read_bytes() == before
        subprocess.run(["mount", "-o", "remount,rw", music], check=True)
        valenced("scan", music)
        assert valenced.read("query")[0]["tag_state"] == "written"


def test_an_unmounted_disk_is_reported_and_its_files_stay_known(
    valenced: Valenced, music: Path
) -> None:
    with mounted(music, "size=2m"):
        write_audio(music / "a.flac", music_like(2))
        valenced("scan", music)
    valenced("scan", music, exit_code=1)
    assert len(valenced.read("query")) == 1
    (problem,) = valenced.read("status")["degraded"]
    assert "is its disk mounted?" in problem


def test_a_state_directory_that_is_full_loses_nothing(
    valenced: Valenced, music: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    write_audio(music / "a.flac", music_like(2))
    with mounted(state, "size=20m,mode=700"):
        (state / "ballast").write_bytes(bytes(20 * 1024 * 1024 - 64 * 1024))
        valenced("scan", music, exit_code=1)
        assert "Traceback" not in valenced.stderr
        assert len(valenced.stderr.splitlines()) <= 5
        (state / "ballast").unlink()
        valenced("scan", music)
        assert valenced.read("query")[0]["tag_state"] == "written"


def test_a_state_directory_without_a_free_byte_is_reported_in_one_line(
    valenced: Valenced, music: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    with mounted(state, "size=20m,mode=700"):
        disk = Full(state)
        disk.fail()
        (state / BALLAST).chmod(0o600)
        valenced("scan", music, exit_code=1)
        (line,) = valenced.stderr.splitlines()
        assert "unexpected" not in line
        disk.repair()
        valenced("scan", music)


def test_a_disk_that_becomes_writable_counts_as_a_change(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=1m"):
        folders = WatchedFolders([FolderSettings(path=disk)], None, NestedMounts([disk]))
        folders.start()
        assert ReadOnly(disk).fail()
        assert not folders.refresh()
        ReadOnly(disk).repair()
        assert folders.refresh()
        assert not folders.refresh()
