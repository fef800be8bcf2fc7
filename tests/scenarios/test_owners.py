"""Files of one user, tagged by a service that runs as another."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.driving import COMMAND, Valenced
from tests.sounds import music_like, write_audio
from trainer.audio.fingerprint import identify

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP, OWNER = 64123, 64124
# Root without any of its powers is a user like another, but one that may read what is installed.
POWERLESS = (
    *("setpriv", f"--regid={GROUP}", "--clear-groups"),
    *("--inh-caps=-all", "--bounding-set=-all"),
)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder of one user to which the group of another may write."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root may act as two users, and with setpriv")
    probe = subprocess.run([*POWERLESS, COMMAND, "--version"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip(f"root cannot give up its powers here: {probe.stderr.decode()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "music"
        folder.mkdir()
        Path(name).chmod(0o755)
        owned(folder, 0o2775)
        yield folder


@pytest.fixture
def service(shared: Path) -> Valenced:
    return Valenced(shared.parent / "state", "watch.settle_s=0.3", by=POWERLESS)


def owned(path: Path, mode: int) -> Path:
    os.chown(path, OWNER, GROUP)
    path.chmod(mode)
    return path


def test_a_file_that_our_group_may_write_is_tagged_and_stays_its_owners(
    shared: Path, service: Valenced
) -> None:
    file = owned(write_audio(shared / "a.flac", music_like(2)), 0o664)
    was, sound, before = file.stat(), identify(file, whole=True), file.read_bytes()
    service("scan", shared)
    now = file.stat()
    (row,) = service.read("query")
    (shown,) = service.read("tags", "show", file)
    assert shown["tags"]["MOOD_AROUSAL"] == [str(round(row["arousal"] * 100))]
    assert (now.st_ino, now.st_uid, now.st_gid) == (was.st_ino, OWNER, GROUP)
    assert now.st_mode == was.st_mode
    assert identify(file, whole=True) == sound
    assert list(shared.iterdir()) == [file]
    service("tags", "restore", file)
    assert file.read_bytes() == before


def test_a_file_that_we_may_only_read_says_what_would_help(shared: Path, service: Valenced) -> None:
    file = owned(write_audio(shared / "a.mp3", music_like(2)), 0o644)
    before = file.read_bytes()
    service("scan", shared)
    assert "chmod g+w" in service("show", file).decode()
    assert file.read_bytes() == before
    assert list(shared.iterdir()) == [file]


def test_a_folder_that_we_may_not_write_to_leaves_its_files_alone(
    shared: Path, service: Valenced
) -> None:
    file = owned(write_audio(shared / "a.mp3", music_like(2)), 0o664)
    before = file.read_bytes()
    shared.chmod(0o755)
    service("scan", shared)
    assert "no permission to write in its folder" in service("show", file).decode()
    assert file.read_bytes() == before


def test_times_that_only_the_owner_may_set_are_no_reason_to_break_the_promise(
    shared: Path, service: Valenced
) -> None:
    file = owned(write_audio(shared / "a.mp3", music_like(2)), 0o664)
    was, before = file.stat(), file.read_bytes()
    service("scan", shared, "--set", "tags.keep_mtime=true")
    assert "tags.keep_mtime = false" in service("show", file).decode()
    assert (file.stat().st_mtime_ns, file.read_bytes()) == (was.st_mtime_ns, before)
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


def test_a_catalogue_out_of_reach_is_not_said_to_be_missing(shared: Path) -> None:
    there = f"catalogue.url=sqlite:///{shared}/catalogue.db"
    Valenced(shared.parent, there)("query")
    shared.chmod(0)
    asked = Valenced(shared.parent, there, by=POWERLESS)
    asked("status", exit_code=1)
    assert "catalogue.db: Permission denied" in asked.stderr
    shared.chmod(0o755)
    Valenced(shared.parent, there)("status")


def test_settings_out_of_reach_are_not_passed_over(shared: Path) -> None:
    shared.chmod(0)
    asked = Valenced(shared / "home", by=POWERLESS)
    asked("status", exit_code=78)
    assert "valenced.toml: cannot be read: Permission denied" in asked.stderr
