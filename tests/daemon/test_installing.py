"""`valenced install` and `uninstall` below a root of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.daemon.driving import COMMAND, Valenced

if TYPE_CHECKING:
    import pytest

UNITS = Path("etc/systemd/system")


def folders(*texts: str) -> str:
    return f"watch.folder=[{', '.join(texts)}]"


def test_the_units_name_this_environment_and_open_the_watched_folders(
    valenced: Valenced, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    named = folders(
        "{path='/srv/my music'}", "{path='/home/ann/50%'}", "{path='/srv/fx', tags=false}"
    )
    valenced("install", "--root", root, "--set", named, "--set", "analysis.timeout_s=300")
    unit = (root / UNITS / "valenced.service").read_text()
    assert f"ExecStart={COMMAND} run\n" in unit
    drop_in = (root / UNITS / "valenced.service.d/50-here.conf").read_text().splitlines()
    assert 'ReadWritePaths="-/srv/my music"' in drop_in
    assert "BindPaths=-/home/ann/50%%" in drop_in
    assert "TimeoutStopSec=360s" in drop_in
    assert not any("/srv/fx" in line for line in drop_in)
    valenced("install", "--root", root)
    valenced("uninstall", "--root", root)
    assert not [path for path in root.rglob("*") if path.is_file()]


def test_a_dry_run_makes_nothing(valenced: Valenced, tmp_path: Path) -> None:
    shown = valenced("install", "--dry-run", "--root", tmp_path / "root").decode()
    assert "50-here.conf" in shown
    assert "WatchdogSec=" in shown
    assert not (tmp_path / "root").exists()


def test_one_users_unit_lies_in_the_users_own_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/home/ann/.config")
    environment = Valenced(tmp_path / "state")
    environment("install", "--user", "--root", tmp_path / "root")
    place = tmp_path / "root/home/ann/.config/systemd/user/valenced.service"
    assert "WantedBy=default.target" in place.read_text()
    environment("uninstall", "--user", "--root", tmp_path / "root")
    assert not place.exists()


def test_what_somebody_else_put_there_is_left_alone(valenced: Valenced, tmp_path: Path) -> None:
    theirs = tmp_path / "root" / UNITS / "valenced.service"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("[Unit]\n")
    valenced("install", "--root", tmp_path / "root", exit_code=1)
    assert "not made by valenced install" in valenced.said
    valenced("uninstall", "--root", tmp_path / "root")
    assert theirs.read_text() == "[Unit]\n"


def test_a_folder_that_would_forge_a_line_is_refused(valenced: Valenced, tmp_path: Path) -> None:
    hostile = folders('{path="/srv/a\\nExecStartPre=+/bin/sh"}')
    valenced("install", "--root", tmp_path / "root", "--set", hostile, exit_code=1)
    assert "a unit file cannot name it" in valenced.said
    assert not (tmp_path / "root").exists()
