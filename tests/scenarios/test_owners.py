"""Files of one user, tagged by a service that runs as another user."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storage.catalogue import Catalogue
from tests.driving import COMMAND, Valenced
from tests.sounds import music_like, write_audio
from trainer.audio.packets.fingerprint import identify

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP, OWNER = 64123, 64124
# Root without capabilities is like any other user, but may read what is installed.
UNPRIVILEGED = (
    *("setpriv", f"--regid={GROUP}", "--clear-groups"),
    *("--inh-caps=-all", "--bounding-set=-all"),
)
# As the unit of the system service: it learns whether a program is writing another user's file.
WITH_LEASES = (*UNPRIVILEGED[:-1], "--bounding-set=-all,+lease")


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder of one user that another user's group may write to."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root may act as two users, and with setpriv")
    probe = subprocess.run([*UNPRIVILEGED, COMMAND, "--version"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"root cannot drop its capabilities here: {probe.stderr.decode()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "music"
        folder.mkdir()
        Path(name).chmod(0o755)
        owned(folder, 0o2775)
        yield folder


@pytest.fixture
def service(shared: Path) -> Valenced:
    return Valenced(shared.parent / "state", "watch.settle_s=0.3", by=WITH_LEASES)


def owned(path: Path, mode: int) -> Path:
    os.chown(path, OWNER, GROUP)
    path.chmod(mode)
    return path


def test_a_file_that_our_group_may_write_is_tagged_and_keeps_its_owner(
    shared: Path, service: Valenced
) -> None:
    file = owned(write_audio(shared / "a.flac", music_like(2)), 0o664)
    stat, sound, before = file.stat(), identify(file, every_packet=True), file.read_bytes()
    service("scan", shared)
    now = file.stat()
    (row,) = service.read("query")
    (shown,) = service.read("tags", "show", file)
    assert shown["tags"]["MOOD_AROUSAL"] == [str(round(row["arousal"] * 100))]
    assert (now.st_ino, now.st_uid, now.st_gid) == (stat.st_ino, OWNER, GROUP)
    assert now.st_mode == stat.st_mode
    assert identify(file, every_packet=True) == sound
    assert list(shared.iterdir()) == [file]
    service("tags", "restore", file)
    assert file.read_bytes() == before


def test_a_file_is_left_alone_where_nobody_tells_whether_it_is_being_written(shared: Path) -> None:
    service = Valenced(shared.parent / "state", "watch.settle_s=0.3", by=UNPRIVILEGED)
    file = owned(write_audio(shared / "a.flac", music_like(2)), 0o664)
    before = file.read_bytes()
    service("scan", shared)
    assert "CAP_LEASE" in service("show", file).decode()
    assert file.read_bytes() == before
    assert list(shared.iterdir()) == [file]


def test_a_file_that_we_may_only_read_is_reported_with_advice(
    shared: Path, service: Valenced
) -> None:
    file = owned(write_audio(shared / "a.mp3", music_like(2)), 0o644)
    before = file.read_bytes()
    service("scan", shared)
    assert "chmod g+w" in service("show", file).decode()
    assert file.read_bytes() == before
    assert list(shared.iterdir()) == [file]


def test_in_a_folder_that_we_may_not_write_to_no_file_changes(
    shared: Path, service: Valenced
) -> None:
    file = owned(write_audio(shared / "a.mp3", music_like(2)), 0o664)
    before = file.read_bytes()
    shared.chmod(0o755)
    service("scan", shared)
    assert "no permission to write in its folder" in service("show", file).decode()
    assert file.read_bytes() == before


def test_a_file_whose_times_only_the_owner_may_set_is_not_changed(
    shared: Path, service: Valenced
) -> None:
    file = owned(write_audio(shared / "a.mp3", music_like(2)), 0o664)
    mtime_ns, before = file.stat().st_mtime_ns, file.read_bytes()
    service("scan", shared, "--set", "tags.keep_mtime=true")
    assert "tags.keep_mtime = false" in service("show", file).decode()
    assert (file.stat().st_mtime_ns, file.read_bytes()) == (mtime_ns, before)
    assert list(shared.iterdir()) == [file]


def test_an_attribute_that_only_root_may_set_stays(shared: Path, service: Valenced) -> None:
    file = write_audio(shared / "a.mp3", music_like(2))
    try:
        os.setxattr(file, "security.valenced_test", b"sealed")
    except OSError as error:
        pytest.skip(f"this file system keeps no such attribute: {error.strerror}")
    service("scan", shared)
    assert service.read("query")[0]["tag_state"] == "written"
    assert os.getxattr(file, "security.valenced_test") == b"sealed"


def test_a_catalogue_without_permission_is_not_reported_as_missing(shared: Path) -> None:
    setting = f"catalogue.url=sqlite:///{shared}/catalogue.db"
    Catalogue(f"sqlite:///{shared}/catalogue.db").close()
    shared.chmod(0)
    unprivileged = Valenced(shared.parent, setting, by=UNPRIVILEGED)
    unprivileged("status", exit_code=1)
    assert "catalogue.db: Permission denied" in unprivileged.stderr
    shared.chmod(0o755)
    Valenced(shared.parent, setting)("status")


def test_settings_without_permission_are_not_ignored(shared: Path) -> None:
    shared.chmod(0)
    unprivileged = Valenced(shared / "home", by=UNPRIVILEGED)
    unprivileged("status", exit_code=78)
    assert "valenced.toml: cannot be read: Permission denied" in unprivileged.stderr
