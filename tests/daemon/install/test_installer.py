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
from daemon.install.shared_files import links, make_links, remove_links
from daemon.install.socket_unit import SOCKET, socket_problem
from daemon.install.units import (
    drop_in,
    machine_files,
    other_catalogue_hint,
    unopened_folders,
    user_files,
)
from daemon.service_errors import InstallError
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
    assert "nothing is installed" not in valenced.stderr
    assert not [path for path in root.rglob("*") if path.is_file()]
    valenced("uninstall", "--root", root)
    said = "nothing is installed here; to remove the service of a user: valenced uninstall --user"
    assert said in valenced.stderr


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
    checked = other_catalogue_hint(mine, COMMAND, tmp_path, ask="check") or ""
    assert checked.endswith(f"{COMMAND} check")
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


QUIET = {"PrivateNetwork=yes", "RestrictAddressFamilies=AF_UNIX", "IPAddressDeny=any"}


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("127.0.0.1:9420", "127.0.0.1:9420"),
        ("[::1]:80", "[::1]:80"),
        ("localhost:1", None),
        ("", ""),
    ],
)
def test_the_service_has_no_network_and_gets_its_socket(address: str, written: str | None) -> None:
    settings = settings_with(more=f"page.listen='{address}'")
    files = {file.path.name: file.text for file in machine_files(settings, COMMAND)}
    assert set(files["valenced.service"].splitlines()) > QUIET
    lines = files["50-here.conf"].splitlines()
    assert not [line for line in lines if "Network" in line or "Address" in line]
    assert ("Requires=valenced.socket" in lines) is bool(address)
    assert ("valenced.socket" in files) is bool(address)
    if address:
        (listens,) = re.findall(r"ListenStream=(.*)", files["valenced.socket"])
        assert listens in ({written} if written else {"127.0.0.1:1", "[::1]:1"})
    families = "AF_UNIX AF_INET AF_INET6" if address else "AF_UNIX"
    (users,) = user_files(Path("/home/ann/.config"), settings, COMMAND)
    assert f"RestrictAddressFamilies={families}" in users.text.splitlines()


def test_check_tells_who_opens_the_address(tmp_path: Path) -> None:
    settings = settings_with(more="page.listen='127.0.0.1:9420'")
    folder = tmp_path / UNITS
    others = [file for file in machine_files(settings, COMMAND) if file.path.name != SOCKET]
    (unit,) = [file for file in machine_files(settings, COMMAND) if file.path.name == SOCKET]
    for file in others:
        install_file(file, tmp_path)
    assert "must give it a network" in (socket_problem("127.0.0.1:9420", folder) or "")
    install_file(unit, tmp_path)
    assert socket_problem("127.0.0.1:9420", folder) is None
    assert "says 127.0.0.1:9420" in (socket_problem("127.0.0.1:9421", folder) or "")
    (folder / SOCKET).write_bytes(b"\xff\0ListenStream=\n")
    assert "says nothing" in (socket_problem("127.0.0.1:9420", folder) or "")


@pytest.mark.parametrize(
    ("address", "host"), [("tcp://10.0.0.1:8786", "10.0.0.1"), ("tls://[fd00::1]:8786", "fd00::1")]
)
def test_the_service_may_reach_the_scheduler_of_its_cluster(address: str, host: str) -> None:
    settings = settings_with(more=f"analysis.cluster='{address}'")
    lines = drop_in(settings, []).splitlines()
    assert {
        "PrivateNetwork=no",
        "RestrictAddressFamilies=AF_INET AF_INET6",
        f"IPAddressAllow={host}",
    } <= set(lines)
    (users,) = user_files(Path("/home/ann/.config"), settings, COMMAND)
    assert "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6" in users.text.splitlines()
    server = settings_with(more=f"catalogue.url='postgresql+psycopg://u@{address[6:]}/d'")
    assert f"IPAddressAllow={host}" in drop_in(server, []).splitlines()
    local = settings_with(more="catalogue.url='postgresql+psycopg:///d'")
    assert "IPAddressAllow" not in drop_in(local, [])
    with pytest.raises(InstallError, match=r"analysis\.cluster"):
        drop_in(settings_with(more="analysis.cluster='tcp://no.host.invalid:80'"), [])


@pytest.mark.parametrize("address", ["127.0.0.1:0", "no.host.invalid:80"])
def test_an_address_that_no_socket_unit_can_name_is_refused(address: str) -> None:
    with pytest.raises(InstallError, match=r"page\.listen"):
        list(machine_files(settings_with(more=f"page.listen='{address}'"), COMMAND))


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


def test_without_a_unit_nothing_is_asked_of_systemd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PATH", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    environment = Valenced(tmp_path / "state")
    environment("uninstall", "--user")
    unit = tmp_path / "systemd" / "user" / "valenced.service"
    unit.parent.mkdir(parents=True)
    unit.symlink_to("/dev/null")
    environment("uninstall", "--user", exit_code=1)
    assert "systemctl" in environment.stderr


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


def test_man_pages_and_completions_are_links_that_replace_nothing_of_others(tmp_path: Path) -> None:
    share, root, data = tmp_path / "env" / "share", tmp_path / "root", Path("/usr/local/share")
    names = ["man/man1/valenced.1", "man/man1/valenced-tags.1", "zsh/site-functions/_valenced"]
    for name in [*names, "man/man1/ffmpeg.1"]:
        (share / name).parent.mkdir(parents=True, exist_ok=True)
        (share / name).write_text(name)
    wanted = links(data, tmp_path / "env")
    assert sorted(wanted) == sorted(data / name for name in names)
    assert links(share, tmp_path / "env") == {}
    made = root / "usr/local/share"
    theirs = made / names[0]
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    other = made / names[1]
    other.symlink_to("/etc/passwd")
    for _ in range(2):
        left = list(make_links(wanted, root))
        assert [line.split()[1].rstrip(",") for line in left] == [str(other), str(theirs)]
    assert (made / names[2]).read_text() == names[2]
    older = made / "man/man1/valenced-gone.1"
    older.symlink_to(share / "man/man1/valenced-gone.1")
    assert remove_links(data, root) == 2
    assert remove_links(data, root) == 0
    assert theirs.read_text() == "theirs"
    assert other.is_symlink()
    assert sorted(path.name for path in made.rglob("*") if not path.is_dir()) == [
        "valenced-tags.1",
        "valenced.1",
    ]
