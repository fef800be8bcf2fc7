from __future__ import annotations

from pathlib import Path

import pytest

from daemon.system.mounts import mount_of

LINES = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /srv/media rw,relatime shared:1 - nfs4 server:/media rw,vers=4.2
31 30 254:1 / /srv/media/local rw - xfs /dev/vdb rw
32 22 0:44 / /home/u/my\\040cloud rw,nosuid - fuse.rclone remote: rw
33 22 0:45 / /twice rw - ext4 /dev/vdc rw
34 33 0:46 / /twice rw - cifs //server/share rw
not a mount line at all
35 22 0:47 /too few
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text(LINES)
    return file


@pytest.mark.parametrize(
    ("path", "kind", "is_silent"),
    [
        ("/home/u/Music", "ext4", False),
        ("/srv/media/a/b.mp3", "nfs4", True),
        ("/srv/media", "nfs4", True),
        ("/srv/mediateka", "ext4", False),
        ("/srv/media/local/a.mp3", "xfs", False),
        ("/home/u/my cloud/x", "fuse.rclone", True),
        ("/twice/a", "cifs", True),
    ],
)
def test_a_path_lies_on_its_nearest_mount(
    mounts: Path, path: str, kind: str, *, is_silent: bool
) -> None:
    mount = mount_of(Path(path), mounts)
    assert mount is not None
    assert (mount.kind, mount.is_silent) == (kind, is_silent)


def test_a_missing_mount_table_is_no_obstacle(tmp_path: Path) -> None:
    assert mount_of(Path("/srv"), tmp_path / "absent") is None


def test_the_mount_table_of_this_machine_is_read(tmp_path: Path) -> None:
    mount = mount_of(tmp_path)
    assert mount is not None
    assert tmp_path.is_relative_to(mount.point)
