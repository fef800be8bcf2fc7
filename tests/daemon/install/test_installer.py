"""`valenced install` and `uninstall` below a root of their own."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from config.loading import load
from daemon.install.installer import install_file
from daemon.install.units import (
    drop_in,
    machine_files,
    other_catalogue_hint,
    unopened_folders,
    user_files,
)
from tests.driving import COMMAND, Valenced

if TYPE_CHECKING:
    from config.settings import Settings

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


def settings_with(*texts: str, more: str = "tags.mode=replace") -> Settings:
    return load(environ={"HOME": "/nowhere"}, overrides=[folders(*texts), more]).settings


def test_folders_added_since_the_installation_are_found(tmp_path: Path) -> None:
    units = tmp_path / UNITS
    now = ["{path='/srv/my music'}", "{path='/home/ann/50%'}", "{path='/home/x', tags=false}"]
    odd = ["{path='/srv/a:b'}", "{path='/srv/a\\\\b'}", '{path="/srv/it\'s"}']
    assert unopened_folders(settings_with(*now), units) == []
    for file in machine_files(settings_with(*now, *odd), COMMAND):
        install_file(file, tmp_path)
    assert unopened_folders(settings_with(*now, *odd), units) == []
    later = ["{path='/srv/my music/new'}", "{path='/srv/fx'}", "{path='/home/x'}"]
    later += ["{path='/srv/my'}", "{path='/home/y', tags=false}", "{path='/mnt/z', tags=false}"]
    found = unopened_folders(settings_with(*now, *later), units)
    assert list(map(str, found)) == ["/srv/fx", "/home/x", "/srv/my", "/home/y"]
    assert unopened_folders(settings_with(*later[:2], more="tags.mode=none"), units) == []


def test_folders_opened_by_hand_count_and_invalid_lines_do_not(tmp_path: Path) -> None:
    named = ["{path='/srv/a'}", "{path='/srv/b'}", "{path='/home/c'}"]
    for file in machine_files(settings_with(), COMMAND):
        install_file(replace(file, path=Path("/", file.path.name)), tmp_path)
    by_hand = tmp_path / "valenced.service.d" / "folders.conf"
    by_hand.parent.mkdir()
    assert len(unopened_folders(settings_with(*named), tmp_path)) == 3
    by_hand.write_text("[Service]\nReadWritePaths=/srv/a -/srv/b\nBindPaths=-/home/c:/home/c\n")
    assert unopened_folders(settings_with(*named), tmp_path) == []
    by_hand.write_bytes(b'ReadWritePaths="/srv/a\n\xff\x00=\nBindPaths\n[[[\nReadWritePaths=')
    assert len(unopened_folders(settings_with(*named), tmp_path)) == 3
    (tmp_path / "valenced.service").write_text("[Unit]\n")
    assert unopened_folders(settings_with(*named), tmp_path) == []


def test_another_catalogue_than_the_services_gives_a_hint(tmp_path: Path) -> None:
    mine, its = Path("/root/.local/state/valenced/catalogue.db"), Path("/var/lib/valenced/c.db")
    assert other_catalogue_hint(mine, COMMAND, tmp_path) is None
    for file in machine_files(settings_with(), COMMAND):
        install_file(replace(file, path=Path("/", file.path.name)), tmp_path)
    said = other_catalogue_hint(mine, COMMAND, tmp_path) or ""
    assert said.endswith(f"STATE_DIRECTORY=/var/lib/valenced {COMMAND} status")
    assert other_catalogue_hint(its, COMMAND, tmp_path) is None
    (tmp_path / "valenced.service").write_bytes(b"\xff\x00")
    assert other_catalogue_hint(mine, COMMAND, tmp_path) is None


def test_targets_of_links_are_opened(tmp_path: Path) -> None:
    music, other, single = (tmp_path / name for name in ("music", "other", "single"))
    for folder in (music, other, single):
        folder.mkdir()
    (single / "a.mp3").touch()
    (music / "more").symlink_to(other)
    (music / "a.mp3").symlink_to(single / "a.mp3")
    named = f"{{path='{music}'}}"
    followed = drop_in(settings_with(named, more="watch.follow_links=true"), [])
    assert all(f"-{folder}\n" in followed for folder in (music, other, single))
    assert str(other) not in drop_in(settings_with(named), [])


LOOPBACK = [
    "PrivateNetwork=no",
    "RestrictAddressFamilies=AF_INET AF_INET6",
    "IPAddressAllow=localhost",
]


def test_the_service_has_a_network_only_if_it_listens() -> None:
    quiet, listening = (settings_with(more=f"page.listen='{at}'") for at in ("", "127.0.0.1:9420"))
    unit = next(machine_files(quiet, COMMAND)).text.splitlines()
    assert {"PrivateNetwork=yes", "RestrictAddressFamilies=AF_UNIX", "IPAddressDeny=any"} < set(
        unit
    )
    assert not set(LOOPBACK) & {*unit, *drop_in(quiet, []).splitlines()}
    assert set(LOOPBACK) < set(drop_in(listening, []).splitlines())
    for settings, families in ((quiet, "AF_UNIX"), (listening, "AF_UNIX AF_INET AF_INET6")):
        (users,) = user_files(Path("/home/ann/.config"), settings, COMMAND)
        assert f"RestrictAddressFamilies={families}" in users.text.splitlines()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_the_shipped_unit_exposes_little(tmp_path: Path) -> None:
    unit = tmp_path / "valenced.service"
    unit.write_text(next(machine_files(settings_with(), COMMAND)).text)
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=10", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot look at files")
    (exposure,) = re.findall(r"Overall exposure level for .*: ([\d.]+)", done.stdout)
    assert float(exposure) <= 1.0


def test_installed_folders_can_be_entered_by_all_whatever_the_umask(
    valenced: Valenced, tmp_path: Path
) -> None:
    valenced("install", "--root", tmp_path / "root")
    found = list((tmp_path / "root").rglob("*"))
    assert {path.stat().st_mode & 0o777 for path in found if path.is_dir()} == {0o755}
    assert {path.stat().st_mode & 0o777 for path in found if path.is_file()} == {0o644}


def test_a_dry_run_writes_nothing(valenced: Valenced, tmp_path: Path) -> None:
    shown = valenced("install", "--dry-run", "--root", tmp_path / "root").decode()
    assert "50-here.conf" in shown
    assert "WatchdogSec=" in shown
    assert not (tmp_path / "root").exists()


def test_a_users_unit_is_in_the_users_own_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "/home/ann/.config")
    environment = Valenced(tmp_path / "state")
    environment("install", "--user", "--root", tmp_path / "root")
    place = tmp_path / "root/home/ann/.config/systemd/user/valenced.service"
    assert "WantedBy=default.target" in place.read_text()
    environment("uninstall", "--user", "--root", tmp_path / "root")
    assert not place.exists()


def test_a_file_of_another_origin_is_not_overwritten_or_removed(
    valenced: Valenced, tmp_path: Path
) -> None:
    theirs = tmp_path / "root" / UNITS / "valenced.service"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("[Unit]\n")
    valenced("install", "--root", tmp_path / "root", exit_code=1)
    assert "not made by valenced install" in valenced.stderr
    valenced("uninstall", "--root", tmp_path / "root")
    assert theirs.read_text() == "[Unit]\n"


def test_a_folder_name_that_would_inject_a_line_is_refused(
    valenced: Valenced, tmp_path: Path
) -> None:
    hostile = folders('{path="/srv/a\\nExecStartPre=+/bin/sh"}')
    valenced("install", "--root", tmp_path / "root", "--set", hostile, exit_code=1)
    assert "a unit file cannot name it" in valenced.stderr
    assert not (tmp_path / "root").exists()
