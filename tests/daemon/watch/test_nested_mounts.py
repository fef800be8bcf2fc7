"""Disks that are mounted inside a watched folder, and taken away."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.system.mounts import mounts_below
from daemon.watch.nested_mounts import NestedMounts
from tests.sounds import music_like, noise, write_audio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.driving import Valenced

ROOT = Path("/srv/media")
MOUNTED = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 8:1 / /srv/media rw - ext4 /dev/sda1 rw
31 30 8:17 / /srv/media/disk\\040one rw - xfs /dev/sdb1 rw
32 30 0:50 / /srv/media/auto rw - autofs systemd-1 rw
33 22 8:33 / /srv/mediateka rw - ext4 /dev/sdc1 rw
"""


class Disk:
    """A file system of its own that can be mounted at a place, again and again."""

    def __init__(self, store: Path, point: Path) -> None:
        self.point = point
        self._store = store
        point.mkdir()
        store.mkdir()
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", store],
            capture_output=True,
            check=False,
        )
        if made.returncode:
            pytest.skip("this user may not mount a file system")

    def mount(self) -> None:
        subprocess.run(["mount", "--bind", self._store, self.point], check=True)

    def unmount(self) -> None:
        # A poll may be looking in just now; that is no reason to wait.
        subprocess.run(["umount", "-l", self.point], check=True)

    def remove(self) -> None:
        subprocess.run(["umount", "-l", self.point], check=False, capture_output=True)
        subprocess.run(["umount", "-l", self._store], check=True)


@pytest.fixture
def disk(music: Path) -> Iterator[Disk]:
    made = Disk(music.parent / "store", music / "disk")
    made.mount()
    yield made
    made.remove()


def paths(valenced: Valenced) -> set[str]:
    return {Path(row["path"]).name for row in valenced.read("query")}


def test_only_real_disks_inside_a_folder_count(tmp_path: Path) -> None:
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTED)
    assert mounts_below([ROOT], file) == {ROOT / "disk one": "8:17"}
    assert mounts_below([ROOT], tmp_path / "absent") == {}


def test_a_disk_is_away_while_its_folder_lies_bare(tmp_path: Path) -> None:
    file = tmp_path / "mountinfo"
    point = tmp_path / "disk"
    point.mkdir()
    file.write_text(f"31 30 8:17 / {point} rw - xfs /dev/sdb1 rw\n")
    mounts = NestedMounts([tmp_path], [tmp_path, Path("/elsewhere")], mounts=file)
    assert list(mounts.refresh()) == mounts.known == [point]
    assert not mounts.hides(point / "a.mp3")
    file.write_text("")
    assert mounts.unmounted() == [point]
    assert mounts.hides(point / "a.mp3")
    assert not mounts.hides(tmp_path / "a.mp3")
    point.rmdir()
    assert not mounts.hides(point / "a.mp3")


def test_a_disk_that_goes_away_takes_nothing_along(
    valenced: Valenced, music: Path, disk: Disk
) -> None:
    write_audio(disk.point / "on disk.wav", music_like(1))
    write_audio(music / "beside.wav", noise(1))
    valenced("scan", music)
    disk.unmount()
    valenced("scan", music, exit_code=1)
    assert "1 folder could not be listed" in valenced.stderr
    assert paths(valenced) == {"on disk.wav", "beside.wav"}
    assert any("not mounted" in line for line in valenced.read("status")["degraded"])
    assert valenced.read("scan", music, "--dry-run", exit_code=1)["gone"] == []
    disk.mount()
    assert valenced.read("scan", music)["done"] == 0
    assert valenced.read("status")["degraded"] == []
    (disk.point / "on disk.wav").unlink()
    valenced("scan", music)
    assert paths(valenced) == {"beside.wav"}


def test_a_mount_point_that_is_used_as_a_folder_or_removed_keeps_no_ghosts(
    valenced: Valenced, music: Path, disk: Disk
) -> None:
    write_audio(disk.point / "old.wav", music_like(1))
    valenced("scan", music)
    disk.unmount()
    write_audio(disk.point / "new.wav", noise(1))
    valenced("scan", music)
    assert paths(valenced) == {"new.wav"}
    (disk.point / "new.wav").unlink()
    (music / "cover.jpg").touch()
    valenced("scan", music)
    assert paths(valenced) == set()


@pytest.mark.parametrize("mode", ["native", "poll"])
def test_a_running_service_notices_a_disk_that_goes_and_comes(
    valenced: Valenced, music: Path, disk: Disk, mode: str
) -> None:
    write_audio(disk.point / "a.wav", music_like(1))
    valenced("scan", music)
    folder = f'watch.folder=[{{path = "{music}", mode = "{mode}"}}]'
    with valenced.start("run", "--set", folder) as service:
        service.wait_for("watching")
        disk.unmount()
        service.wait_for("its disk is no longer mounted")
        assert paths(valenced) == {"a.wav"}
        write_audio(music / "beside.wav", noise(1))
        service.wait_for("beside.wav", "arousal")
        assert paths(valenced) == {"a.wav", "beside.wav"}
        disk.mount()
        service.wait_for("a disk is mounted here")
        write_audio(disk.point / "b.wav", noise(1, seed=5))
        service.wait_for("b.wav", "arousal")
        assert service.stop() == 0
    assert paths(valenced) == {"a.wav", "beside.wav", "b.wav"}
