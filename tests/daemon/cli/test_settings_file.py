"""`valenced config init` and `edit`, with real editors."""

from __future__ import annotations

import io
import os
import re
import stat
import sys
import tomllib
from pathlib import Path

import pytest

from config.default_paths import SYSTEM_FILE
from config.defaults import default_values, flattened, settings_template
from config.errors import SettingsError
from config.loading import LARGEST_FILE, load
from daemon.cli.service import settings_file
from tests.driving import answer

TEMPLATE = settings_template()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CONFIGURATION_DIRECTORY", "XDG_CONFIG_HOME", "VISUAL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    # Not a terminal, so nobody is asked.
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return tmp_path


def edit_by(monkeypatch: pytest.MonkeyPatch, file: Path, script: str) -> int:
    """Edit a settings file by a shell script, for which $1 is the file."""
    editor = file.parent / "editor"
    editor.write_text(f"#!/bin/sh\n{script}\n")
    editor.chmod(0o700)
    monkeypatch.setenv("EDITOR", f"'{editor}'")
    return answer(monkeypatch, "config", "edit", "--config", str(file))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_template_changes_nothing_and_names_every_default() -> None:
    assert dict(flattened(tomllib.loads(TEMPLATE))) == {}
    every = re.sub(r'^#(?=\S|    ")', "", TEMPLATE, flags=re.MULTILINE)
    named = dict(flattened(tomllib.loads(every)))
    assert named == {key: v for key, v in default_values().items() if key != "watch.folder"}
    assert "[[watch.folder]]" in TEMPLATE.rpartition("#level")[2]


def test_init_writes_a_file_for_its_owner_alone_and_never_replaces_one(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(home / "new" / "etc"))
    file = home / "new" / "etc" / "valenced.toml"
    music = home / 'my "music" é'
    music.mkdir()
    assert answer(monkeypatch, "config", "init", str(music)) == 0
    assert (mode_of(file), mode_of(file.parent)) == (0o600, 0o700)
    (folder,) = load(environ=os.environ).settings.watch.folder
    assert folder.path == music
    before = file.read_bytes()
    assert answer(monkeypatch, "config", "init") == 1
    assert "exists; to change it: valenced config edit" in capfd.readouterr().err
    assert file.read_bytes() == before


@pytest.mark.parametrize("name", [b"two\nlines", b"caf\xe9", b"\xe2\x80\xaeright"])
def test_init_refuses_a_folder_that_no_settings_file_can_name(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: bytes
) -> None:
    folder = home / os.fsdecode(name)
    folder.mkdir()
    assert answer(monkeypatch, "config", "init", "--config", str(home / "x"), str(folder)) == 1
    assert not (home / "x").exists()


def test_init_follows_no_link_to_write(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "x.toml").symlink_to(home / "elsewhere")
    assert answer(monkeypatch, "config", "init", "--config", str(home / "x.toml")) == 1
    assert not (home / "elsewhere").exists()


def test_root_writes_the_settings_of_the_machine() -> None:
    environ = {"HOME": "/home/ann"}
    mine = Path("/home/ann/.config/valenced/valenced.toml")
    theirs = SYSTEM_FILE if os.geteuid() == 0 else mine
    assert settings_file.new_file(environ) == theirs
    elsewhere = environ | {"CONFIGURATION_DIRECTORY": "/srv"}
    assert settings_file.new_file(elsewhere) == Path("/srv/valenced.toml")


def test_edit_replaces_the_file_by_valid_settings_and_keeps_its_mode_and_its_link(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    real, file = home / "real.toml", home / "x.toml"
    real.write_text("[watch]\nsettle_s = 5\n")
    real.chmod(0o640)
    file.symlink_to(real)
    # What the environment sets is not what is checked.
    monkeypatch.setenv("VALENCED_WATCH_SETTLE_S", "wrong")
    assert edit_by(monkeypatch, file, 'sed -i "s/= 5/= 7/" "$1"') == 0
    assert f"changed {file}" in capfd.readouterr().err
    assert real.read_text() == "[watch]\nsettle_s = 7\n"
    assert mode_of(real) == 0o640
    assert file.is_symlink()
    before = real.stat().st_ctime_ns
    assert edit_by(monkeypatch, file, "true") == 0
    assert "stays as it was" in capfd.readouterr().err
    assert real.stat().st_ctime_ns == before
    assert sorted(path.name for path in home.iterdir()) == ["editor", "real.toml", "x.toml"]


def test_edit_makes_the_first_file_out_of_the_template(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / "x.toml"
    assert edit_by(monkeypatch, file, 'sed -i "s/^#step = 2/step = 9/" "$1"') == 0
    assert file.read_text() == TEMPLATE.replace("#step = 2", "step = 9")
    assert mode_of(file) == 0o600


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ('echo "[watch]\nsettles = 5" > "$1"', 78, "the nearest is watch.settle_s"),
        ('echo "[watch" > "$1"', 78, "x.toml: not valid TOML"),
        ('printf "\\377" > "$1"', 78, "x.toml: cannot be read"),
        (f'head -c {LARGEST_FILE + 1} /dev/zero > "$1"', 78, "x.toml: larger than 256 KiB"),
        ('echo "[tags]" > "$1"; exit 3', 1, "Editing failed"),
        ('rm "$1"', 78, "x.toml: cannot be read: No such file"),
        ('rm "$1"; mkdir "$1"', 78, "x.toml: cannot be read: Is a directory"),
        ('echo "[tags]" > "$1"; echo "[mood]" > "${1%/*}/x.toml"', 1, "changed meanwhile"),
    ],
)
def test_edit_leaves_the_file_alone_unless_the_new_settings_are_valid(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    script: str,
    code: int,
    said: str,
) -> None:
    file = home / "x.toml"
    file.write_text("[log]\n")
    assert edit_by(monkeypatch, file, script) == code
    assert said in capfd.readouterr().err
    assert file.read_text() == ("[mood]\n" if "mood" in script else "[log]\n")


def test_wrong_settings_can_be_edited(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = home / "x.toml"
    file.write_text("[wrong")
    assert edit_by(monkeypatch, file, 'echo "[log]" > "$1"') == 0
    assert file.read_text() == "[log]\n"


def test_an_editor_that_does_not_exist_is_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for editor in ("/no/such editor", "'unclosed"):
        monkeypatch.setenv("VISUAL", editor)
        assert answer(monkeypatch, "config", "edit", "--config", str(home / "x.toml")) == 1
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith(f"valenced: {home}/x.toml: not changed: ")
    assert list(home.iterdir()) == []


def test_a_schedule_that_is_no_cron_line_is_refused_by_every_command(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = home / "x.toml"
    file.write_text('[retrain]\nschedule = "30 5 * * sun"\n')
    assert edit_by(monkeypatch, file, 'sed -i "s/30 5/99 5/" "$1"') == SettingsError.exit_code
    assert "'99 5 * * sun' is not a cron line" in capfd.readouterr().err
    assert "30 5" in file.read_text()
    wrong = "--config", str(file), "--set", "retrain.schedule=never"
    for command in (("config", "show"), ("check",)):
        assert answer(monkeypatch, *command, *wrong) == SettingsError.exit_code
        assert "retrain.schedule: 'never' is not a cron line" in capfd.readouterr().err
