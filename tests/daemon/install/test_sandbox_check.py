"""What the unit keeps from the service, by the mounts that it was started with."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.install.sandbox_check import CLOSED, HIDDEN, is_sandbox_problem, sandbox_problem

STARTED = {"INVOCATION_ID": "0123"}
# As systemd leaves them for the unit: what was installed is open, all else closed or empty.
INSIDE = """\
207 141 8:1 / / ro,nosuid,relatime shared:33 master:1 - ext4 /dev/sda1 rw
229 207 0:66 / /home rw,nosuid,relatime shared:76 - tmpfs tmpfs rw
254 207 8:1 /srv/a /srv/a rw,nosuid,relatime shared:88 master:1 - ext4 /dev/sda1 rw
255 207 8:17 / /mnt/disk ro,nosuid shared:89 - ext4 /dev/sdb1 rw,errors=remount-ro
256 207 8:33 / /mnt/dvd ro,nosuid shared:90 - udf /dev/sr0 ro
257 207 8:49 / /mnt/late rw shared:91 master:7 - ext4 /dev/sdc1 rw
"""
OUTSIDE = INSIDE.replace("/ / ro,", "/ / rw,")


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text(INSIDE)
    return file


@pytest.mark.parametrize(
    ("folder", "wall"),
    [
        ("/srv/a/b", None),
        ("/srv/b", CLOSED),
        ("/mnt/disk/music", CLOSED),
        ("/mnt/dvd", None),
        ("/mnt/late", None),
        ("/home/nobody-at-all/Music", HIDDEN),
        ("/root/no such folder", HIDDEN),
    ],
)
def test_a_folder_that_the_unit_closes_is_found(
    mounts: Path, folder: str, wall: str | None
) -> None:
    found = sandbox_problem(Path(folder), writes=True, environ=STARTED, mounts=mounts)
    if wall is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(wall)
        assert "valenced install, then sudo systemctl restart valenced" in found
        assert is_sandbox_problem(found)


def test_a_folder_without_tags_need_only_be_visible(mounts: Path) -> None:
    for folder, wall in (("/srv/b", None), ("/home/nobody-at-all", HIDDEN)):
        found = sandbox_problem(Path(folder), writes=False, environ=STARTED, mounts=mounts)
        assert (found or "").startswith(wall or "")
        assert (found is None) == (wall is None)


def test_outside_of_the_unit_no_folder_is_restricted(mounts: Path, tmp_path: Path) -> None:
    disk = Path("/mnt/disk")
    assert sandbox_problem(disk, writes=True, environ={}, mounts=mounts) is None
    assert sandbox_problem(disk, writes=True, environ=STARTED, mounts=tmp_path / "absent") is None
    mounts.write_text(OUTSIDE)
    assert sandbox_problem(disk, writes=True, environ=STARTED, mounts=mounts) is None
    mounts.write_bytes(b"\xff\n1 2 3 / / ro\n1 2 3 4 5 6 - \n - \n")
    assert sandbox_problem(disk, writes=True, environ=STARTED, mounts=mounts) is None
