"""The service of one user under a real `systemctl --user`, installed as in the README."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.driving import COMMAND
from tests.sounds import music_like, write_audio
from tests.systemd.machine import Machine, booted, why_not
from tests.systemd.test_unit import tagged

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "never"),
    pytest.mark.xdist_group("machine"),
]

NUMBER = "4711"
HOME = Path("/home/valenced-ann")
MUSIC, EFFECTS = HOME / "Music", HOME / "effects"
SETTINGS = HOME / ".config/valenced/valenced.toml"
CATALOGUE = HOME / ".local/state/valenced/catalogue.db"


class Ann:
    """A user of a machine, with a systemd of her own."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        machine.run("useradd", "--create-home", "--home-dir", HOME, "--uid", NUMBER, "ann-valenced")
        # The environment of the tests may be in a folder that only root may enter.
        for program in (COMMAND, Path(sys.base_prefix).resolve()):
            for folder in program.parents:
                machine.run("sh", "-c", 'chmod a+x "$0" 2>/dev/null || true', folder)

    def run(self, *line: str | Path, exit_code: int = 0) -> str:
        """Run a command line as the logged-in user."""
        as_ann = ("setpriv", f"--reuid={NUMBER}", f"--regid={NUMBER}", "--init-groups")
        environment = f"HOME={HOME}", f"XDG_RUNTIME_DIR=/run/user/{NUMBER}", "PATH=/usr/bin:/bin"
        return self.machine.run(*as_ann, "env", "-i", *environment, *line, exit_code=exit_code)

    def systemctl(self, *words: str) -> str:
        return self.run("systemctl", "--user", *words)

    def properties(self, *names: str) -> list[str]:
        lines = self.systemctl("show", "valenced", *(f"-p{name}" for name in names)).splitlines()
        values = dict(line.partition("=")[::2] for line in lines)
        return [values[name] for name in names]

    def wait_for_log(self, text: str, *fields: str) -> None:
        line = ("journalctl", "--user", "-u", "valenced", "--no-pager", "-q", *fields)
        self.machine.wait_until(lambda: text in self.run(*line), f"logged: {text}")

    def write_settings(self, *folders: Path, more: str = "") -> None:
        tables = "".join(f"[[watch.folder]]\npath = '{path}'\n" for path in folders)
        text = f"{more}\n[analysis]\nworkers = 1\n[watch]\nsettle_s = 0.3\n{tables}"
        self.machine.path(SETTINGS).write_text(text, encoding="utf-8")

    def drop(self, source: Path, into: Path) -> Path:
        """Copy a sound into a folder; return its path, seen from outside."""
        self.run("cp", source, into)
        return self.machine.path(into / source.name)

    def wait_for_status(self, part: str) -> None:
        self.machine.wait_until(lambda: part in self.properties("StatusText")[0], part)


@pytest.fixture(scope="module")
def ann(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ann]:
    with booted(tmp_path_factory.mktemp("machine")) as machine:
        user = Ann(machine)
        try:
            machine.run("loginctl", "enable-linger", "ann-valenced")
            machine.run("systemctl", "start", f"user@{NUMBER}.service")
            user.run("systemctl", "--user", "is-system-running")
        except AssertionError as error:
            pytest.skip(
                f"no manager for a user (packages libpam-systemd, dbus-user-session): {error}"
            )
        user.run("mkdir", "-p", MUSIC, EFFECTS, SETTINGS.parent)
        yield user


def test_the_service_of_one_user_from_installation_to_removal(ann: Ann) -> None:
    sounds = ann.machine.path("/var/lib/sounds")
    sounds.mkdir()
    for seed, name in enumerate(("one.flac", "two.flac", "three.flac")):
        write_audio(sounds / name, music_like(2, seed=seed))
    one, two, three = (
        Path("/var/lib/sounds", name) for name in ("one.flac", "two.flac", "three.flac")
    )

    ann.write_settings(MUSIC)
    ann.run(COMMAND, "install", "--user")
    ann.systemctl("enable", "valenced")
    ann.systemctl("start", "valenced")
    # The command returns when the service has reported that it is ready, not before.
    assert ann.machine.path(CATALOGUE).exists()
    assert ann.properties("ActiveState") == ["active"]
    ann.wait_for_status("watching 1 folders, nothing to do")
    assert ann.properties("Nice", "CPUWeight", "IOSchedulingClass") == ["5", "20", "3"]

    dropped = ann.drop(one, MUSIC)
    ann.machine.wait_until(lambda: tagged(dropped), "tagged")
    assert dropped.stat().st_uid == int(NUMBER)
    ann.wait_for_log("arousal", f"CLIP={MUSIC / 'one.flac'}")

    (before,) = ann.properties("MainPID")
    ann.write_settings(MUSIC, EFFECTS, more="tags.mode = 'loud'")
    ann.systemctl("reload", "valenced")
    ann.wait_for_status("settings refused")
    ann.write_settings(MUSIC, EFFECTS)
    ann.systemctl("reload", "valenced")
    ann.wait_for_status("watching 2 folders")
    # A user's own service may write everywhere at once.
    dropped = ann.drop(two, EFFECTS)
    ann.machine.wait_until(lambda: tagged(dropped), "tagged")

    ann.run("sh", "-c", f"kill -KILL {before}")
    ann.machine.wait_until(lambda: ann.properties("NRestarts") == ["1"], "restarted")
    dropped = ann.drop(three, MUSIC)
    ann.machine.wait_until(lambda: tagged(dropped), "tagged")

    ann.systemctl("stop", "valenced")
    assert ann.properties("ActiveState", "Result", "ExecMainStatus") == ["inactive", "success", "0"]
    verified = ann.run(
        "systemd-analyze", "--user", "verify", HOME / ".config/systemd/user/valenced.service"
    )
    assert "valenced" not in verified
    ann.write_settings(MUSIC, more="tags.mode = 'loud'")
    ann.run("systemctl", "--user", "start", "valenced", exit_code=1)
    assert ann.properties("ExecMainStatus", "NRestarts") == ["78", "0"]
    ann.wait_for_log("tags.mode", "PRIORITY=3")

    ann.write_settings(MUSIC)
    ann.run(COMMAND, "uninstall", "--user")
    assert ann.properties("LoadState") == ["not-found"]
    for path in (SETTINGS, CATALOGUE):
        assert ann.machine.path(path).exists()
