"""What the program keeps is for its owner alone, whatever the umask and earlier modes."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from daemon.system.private_files import narrow_state
from tests.sounds import music_like, write_audio
from tests.trainer.corpora.brought import put_sounds, put_table
from trainer.bundles.installation_key import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.driving import Valenced


def modes(folder: Path) -> dict[str, int]:
    """Return the modes of everything at and below a folder that others can do something with."""
    found = {str(path): path.lstat() for path in (folder, *folder.rglob("*"))}
    return {
        path: stat.S_IMODE(status.st_mode)
        for path, status in found.items()
        if not stat.S_ISLNK(status.st_mode) and status.st_mode & 0o077
    }


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
def test_every_command_writes_for_its_owner_alone(
    valenced: Valenced, music: Path, tmp_path: Path
) -> None:
    state, work, backups = valenced.catalogue.parent, tmp_path / "work", tmp_path / "backups"
    for folder in (state, state / "bundles", state / "corpora", backups, work):
        folder.mkdir(parents=True)
        folder.chmod(0o777)
    sound = write_audio(music / "a.flac", music_like(2))
    put_sounds(work, ["1.wav", "2.wav"])
    rows = [("1.wav", 0.5, -0.5), ("2.wav", -0.5, 0.5)]
    put_table(work / "manifest.csv", ("path", "arousal", "valence"), rows)
    few = ("--corpora", "vgmidi", "--experiment", "single-domain", "--regression", "elasticnet")
    for line in (
        ("scan", music),
        ("annotate", sound, "--arousal", "0.1", "--valence", "0.2"),
        ("train",),
        ("corpus", "add", "manifest", work),
        ("tags", "write", music),
        ("evaluate", *few, "--folds", "2", "--repeats", "1", "--output", backups / "report"),
        ("backup", backups / "a.tar"),
        ("restore", backups / "a.tar"),
    ):
        valenced(*line)
        assert modes(state) == {}, line
    # A folder of the user's own choice stays as it is.
    assert set(modes(backups)) == {str(backups)}
    assert len(list(state.rglob("*"))) > 20


@pytest.mark.usefixtures("no_umask")
def test_a_running_service_does_so_too(valenced: Valenced, music: Path) -> None:
    state = valenced.catalogue.parent
    state.mkdir(exist_ok=True)
    state.chmod(0o777)
    with valenced.start("run", music) as service:
        service.wait_for("other users had access to 1 file or folder of this service")
        write_audio(music / "a.flac", music_like(2))
        service.wait_for("a.flac", "arousal")
        found = {path.name for path in state.iterdir()}
        assert {"catalogue.db", "catalogue.db-wal", "catalogue.db-shm", KEY} <= found
        assert modes(state) == {}
        assert service.stop() == 0


def test_running_as_root_is_warned_of(valenced: Valenced, music: Path) -> None:
    valenced("scan", music)
    assert valenced.stderr.count("running as root") == (os.geteuid() == 0)
    valenced("status")
    assert "running as root" not in valenced.stderr


@pytest.mark.usefixtures("no_umask")
class TestNarrowing:
    def test_wide_modes_are_narrowed_with_one_line(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        state = tmp_path / "state"
        (state / "bundles" / "a").mkdir(parents=True)
        for file in (state / "catalogue.db", state / "bundles" / "a" / "table.npz"):
            file.touch()
        (state / "bundles" / "a" / "table.npz").chmod(0o640)
        narrow_state(state, state / "catalogue.db")
        assert modes(state) == {}
        assert stat.S_IMODE((state / "catalogue.db").stat().st_mode) == 0o600
        (line,) = caplog.messages
        assert "other users had access to 5 files and folders of this service" in line
        narrow_state(state, state / "catalogue.db")
        assert len(caplog.messages) == 1

    def test_nothing_outside_is_changed(self, tmp_path: Path) -> None:
        state, outside = tmp_path / "state", tmp_path / "outside"
        for folder in (state, outside):
            folder.mkdir()
        for name in ("linked", "second name"):
            (outside / name).touch()
        (outside / "folder").mkdir()
        (state / "link").symlink_to(outside / "linked")
        (state / "folder").symlink_to(outside / "folder")
        os.link(outside / "second name", state / "second name")
        os.mkfifo(state / "pipe")
        (outside / "catalogue.db").symlink_to("linked")
        before = modes(outside)
        narrow_state(state, outside / "catalogue.db")
        assert modes(outside) == before
        assert stat.S_IMODE(state.stat().st_mode) == 0o700

    def test_a_catalogue_elsewhere_leaves_its_folder_alone(self, tmp_path: Path) -> None:
        (tmp_path / "catalogue.db").touch()
        tmp_path.chmod(0o777)
        narrow_state(tmp_path / "none", tmp_path / "catalogue.db")
        assert modes(tmp_path) == {str(tmp_path): 0o777}

    def test_a_key_that_others_could_read_is_left_to_be_replaced(self, tmp_path: Path) -> None:
        (tmp_path / KEY).touch()
        narrow_state(tmp_path, tmp_path / "catalogue.db")
        assert modes(tmp_path) == {str(tmp_path / KEY): 0o666}

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    @pytest.mark.parametrize("name", ["state", "state/bundles"])
    def test_what_another_user_owns_is_left_alone(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "state" / "bundles").mkdir(parents=True)
        os.chown(tmp_path / name, 12345, -1)
        narrow_state(tmp_path / "state", tmp_path / "state" / "catalogue.db")
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o777
