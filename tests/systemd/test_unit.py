"""The service under a real systemd, installed as described in the README."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mutagen
import pytest

from tests.driving import COMMAND
from tests.sounds import music_like, write_audio
from tests.systemd.machine import Machine, booted, why_not
from tests.trainer.audio.sandbox_attempts import PROBE
from trainer.audio.landlock import landlock_version

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "never"),
    pytest.mark.xdist_group("machine"),
]

SETTINGS = Path("/etc/valenced/valenced.toml")
MUSIC = Path("/srv/valenced-music")
ATTEMPTS = 10
MOST_EXPOSURE = 0.8
TIMEOUT_S = 30
ODD = b"caf\xe9 two\nlines.flac"


class Host:
    """A booted machine with the service installed."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def systemctl(self, *words: str) -> str:
        return self.machine.run("systemctl", *words)

    def write_settings(self, more: str = "", *folders: Path) -> None:
        tables = "".join(f"[[watch.folder]]\npath = '{path}'\n" for path in folders or (MUSIC,))
        analysis = f"[analysis]\ntimeout_s = {TIMEOUT_S}\nworkers = 1\n"
        text = f"{more}\n{analysis}[watch]\nsettle_s = 0.3\n{tables}"
        self.machine.path(SETTINGS).parent.mkdir(exist_ok=True)
        self.machine.path(SETTINGS).write_text(text, encoding="utf-8")

    def install(self) -> None:
        self.machine.run(COMMAND, "install")
        quick = "[Service]\nWatchdogSec=20s\nRestartSec=200ms\n"
        self.machine.path("/etc/systemd/system/valenced.service.d/90-quick.conf").write_text(quick)
        self.systemctl("daemon-reload")
        self.make_folder(MUSIC)
        self.systemctl("enable", "--now", "valenced")

    def make_folder(self, path: Path) -> None:
        self.machine.run("install", "-d", "-m", "2775", "-g", "valenced", path)

    def drop(self, source: Path, name: bytes, into: Path = MUSIC) -> Path:
        """Copy a sound into a folder under a name; return its path, seen from outside."""
        target = into / name.decode(errors="surrogateescape")
        self.machine.run("install", "-m", "664", "-g", "valenced", source, target)
        return self.machine.path(target)

    def wait_for_status(self, part: str) -> None:
        self.machine.wait_until(
            lambda: part in self.machine.properties("StatusText")[0], f"in the status: {part}"
        )

    def wait_for_tags(self, *files: Path) -> None:
        self.machine.wait_until(lambda: all(map(tagged, files)), "tagged")

    def read(self, *words: str) -> Any:
        """Run a command on the service's catalogue and return its document."""
        state = "STATE_DIRECTORY=/var/lib/valenced"
        return json.loads(self.machine.run("env", state, COMMAND, *words))

    @property
    def pid(self) -> int:
        return int(self.machine.properties("MainPID")[0])

    def kill(self, number: signal.Signals, *, worker: bool = False) -> None:
        pattern = ["-P", str(self.pid), "-f", "daemon.worker.worker_process"] if worker else None
        target = self.machine.run("pgrep", *pattern).split()[0] if pattern else str(self.pid)
        self.machine.run("kill", f"-{number.name.removeprefix('SIG')}", target)


def tagged(file: Path) -> bool:
    found = mutagen.File(file)
    return found is not None and "MOOD_AROUSAL" in found


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with booted(tmp_path_factory.mktemp("machine")) as machine:
        host = Host(machine)
        host.write_settings()
        host.install()
        yield host


@pytest.fixture
def sounds(host: Host, tmp_path: Path) -> list[Path]:
    """Some sounds that the machine can see."""
    folder = host.machine.path("/var/lib/sounds")
    folder.mkdir(exist_ok=True)
    names = [folder / f"{tmp_path.name}-{number}.flac" for number in range(8)]
    seed = sum(tmp_path.name.encode())
    made = [write_audio(name, music_like(2, seed=seed + i)) for i, name in enumerate(names)]
    return [Path("/var/lib/sounds", file.name) for file in made]


@pytest.fixture
def service(host: Host) -> Host:
    host.write_settings()
    if host.machine.properties("ActiveState") == ["failed"]:
        host.systemctl("reset-failed", "valenced")
    host.systemctl("restart", "valenced")
    return host


def test_it_is_active_only_when_ready_and_tags_what_is_dropped(
    host: Host, sounds: list[Path]
) -> None:
    host.systemctl("stop", "valenced")
    host.systemctl("start", "valenced")
    # The service logs its line before it reports that it is ready, systemd its own afterwards.
    host.machine.wait_for_log("Started valenced")
    last_start = host.machine.journal("-o", "cat").rpartition("Stopped valenced")[2]
    assert last_start.index("catalogue ") < last_start.index("Started valenced")
    assert host.machine.properties("ActiveState", "NotifyAccess") == ["active", "main"]
    host.wait_for_status("watching 1 folders, nothing to do")
    host.wait_for_tags(host.drop(sounds[0], b"song.flac"), host.drop(sounds[1], ODD))
    for name in (b"song.flac", ODD):
        clip = f"CLIP={MUSIC}/".encode() + name
        host.machine.wait_for_log("arousal", clip.decode(errors="surrogateescape"))
    host.machine.wait_for_log("BUNDLE=starter", "-o", "export", "PRIORITY=6")


def test_the_unit_is_valid_and_exposes_little(service: Host) -> None:
    verified = service.machine.run(
        "systemd-analyze", "verify", "/etc/systemd/system/valenced.service"
    )
    assert "valenced" not in verified
    assert exposure(service) <= MOST_EXPOSURE


def exposure(service: Host) -> float:
    report = service.machine.run("systemd-analyze", "security", "--no-pager", "valenced")
    (found,) = re.findall(r"Overall exposure level for valenced.service: ([\d.]+)", report)
    return float(found)


def health(service: Host) -> str:
    """Ask the service how it is, from inside the machine; return why there is no answer."""
    ask = (
        "import urllib.request\n"
        "try: print(urllib.request.urlopen('http://127.0.0.1:9420/health', timeout=20).status)\n"
        "except OSError as error: print(error)"
    )
    return service.machine.run(sys.executable, "-c", ask).strip()


def test_it_answers_requests_without_a_network_of_its_own(service: Host) -> None:
    service.write_settings("page.listen = '127.0.0.1:9420'")
    service.machine.run(COMMAND, "install")
    service.systemctl("restart", "valenced")
    assert health(service) == "200"
    assert service.machine.properties("PrivateNetwork", "RestrictAddressFamilies") == [
        "yes",
        "AF_UNIX",
    ]
    assert exposure(service) <= MOST_EXPOSURE
    verified = service.machine.run(
        "systemd-analyze", "verify", "/etc/systemd/system/valenced.socket"
    )
    assert "valenced" not in verified
    before = service.pid
    service.kill(signal.SIGKILL)
    service.machine.wait_until(lambda: service.pid not in {before, 0}, "restarted")
    assert health(service) == "200"
    # A request starts nothing that was stopped, or that refuses its settings.
    service.systemctl("stop", "valenced")
    assert "refused" in health(service)
    service.write_settings("page.listen = '127.0.0.1:9420'\ntags.mode = 'loud'")
    service.machine.run("systemctl", "start", "valenced", exit_code=1)
    assert "refused" in health(service)
    assert service.machine.properties("ActiveState", "NRestarts") == ["failed", "0"]
    service.write_settings()
    assert "removed" in service.machine.run("sh", "-c", f"{COMMAND} install 2>&1")
    service.systemctl("start", "valenced")
    assert "refused" in health(service)
    assert not service.machine.path("/etc/systemd/system/valenced.socket").exists()


def test_killed_it_is_restarted_and_resumes(service: Host, sounds: list[Path]) -> None:
    before = service.pid
    files = [service.drop(sound, f"kill-{i}.flac".encode()) for i, sound in enumerate(sounds)]
    service.machine.wait_until(lambda: any(map(tagged, files)), "at work")
    service.machine.run("kill", "-KILL", str(before))
    service.machine.wait_until(lambda: service.pid not in {before, 0}, "restarted")
    service.wait_for_tags(*files)
    service.machine.wait_for_log("status=9/KILL")


def hung_with_a_file(service: Host, files: list[Path]) -> bool:
    """Hang the worker; return whether it had a file, and let it continue if not."""
    process = f"_PID={service.pid}"

    def is_given_up() -> bool:
        # It may hang in the analysis of a file, or in the check of its tags.
        reason = f"no result within {TIMEOUT_S} s; its worker was stopped"
        return reason in service.machine.journal(process)

    service.machine.wait_until(lambda: any(map(tagged, files)), "at work")
    service.kill(signal.SIGSTOP, worker=True)
    service.machine.wait_until(lambda: is_given_up() or all(map(tagged, files)), "given up")
    if is_given_up():
        return True
    service.kill(signal.SIGCONT, worker=True)
    return False


def test_a_worker_that_hangs_costs_its_own_file_one_try(service: Host, sounds: list[Path]) -> None:
    before = service.pid
    for attempt in range(ATTEMPTS):
        files = [
            service.drop(sound, f"hung-{attempt}-{number}.flac".encode())
            for number, sound in enumerate(sounds)
        ]
        if hung_with_a_file(service, files):
            break
    else:
        pytest.fail("the worker never had a file when it was stopped")
    service.machine.wait_until(lambda: sum(map(tagged, files)) >= len(files) - 1, "continued")
    assert service.pid == before


def test_a_main_loop_that_hangs_is_restarted(service: Host, sounds: list[Path]) -> None:
    before = service.pid
    service.kill(signal.SIGSTOP)
    dropped = service.drop(sounds[0], b"meanwhile.flac")
    service.wait_for_tags(dropped)
    assert service.pid not in {before, 0}
    service.machine.wait_for_log("Watchdog timeout")


def test_settings_are_read_again_and_wrong_ones_change_nothing(
    service: Host, sounds: list[Path]
) -> None:
    before = service.pid
    service.write_settings("tags.mode = 'loud'")
    service.systemctl("reload", "valenced")
    service.wait_for_status("settings refused")
    service.wait_for_tags(service.drop(sounds[0], b"as-before.flac"))
    other = Path("/srv/valenced-other")
    service.make_folder(other)
    service.write_settings("tags.mode = 'none'", MUSIC, other)
    service.systemctl("reload", "valenced")
    service.wait_for_status("watching 2 folders")
    untagged = service.drop(sounds[1], b"untagged.flac", other)
    service.machine.wait_for_log("arousal", f"CLIP={other}/untagged.flac")
    assert not tagged(untagged)
    assert service.machine.properties("ActiveState", "NRestarts") == ["active", "0"]
    assert service.pid == before


def test_a_folder_added_after_the_installation_is_reported_until_it_is_opened(
    service: Host, sounds: list[Path]
) -> None:
    later, at_home = Path("/srv/valenced-later"), Path("/home/valenced-later")
    for folder in (later, at_home):
        service.make_folder(folder)
    service.write_settings("", MUSIC, later, at_home)
    service.systemctl("reload", "valenced")
    service.wait_for_status("watching 3 folders")
    for folder, how in ((later, "write-protected"), (at_home, "hidden")):
        advice = f"{how} from the service by its systemd unit: sudo {COMMAND} install, then"
        service.machine.wait_for_log(advice, f"FOLDER={folder}", "PRIORITY=4")
    status = service.read("status", "--format", "json")
    assert status["broken"] == ["folders", "folders"]
    away = {folder["path"]: folder["away"] for folder in status["folders"]}
    assert away == {str(at_home): True, str(MUSIC): False, str(later): False}
    checked = service.read("check", "--user", "valenced", "--format", "json")
    assert [found["level"] for found in checked if "restart valenced" in found["what"]] == [
        "warn",
        "warn",
    ]
    untagged = service.drop(sounds[0], b"later.flac", later)
    service.machine.wait_for_log("arousal", f"CLIP={later}/later.flac")
    assert not tagged(untagged)
    service.machine.run(COMMAND, "install")
    service.systemctl("restart", "valenced")
    service.wait_for_tags(untagged, service.drop(sounds[1], b"home.flac", at_home))
    assert service.read("status", "--format", "json")["broken"] == []


def test_workers_are_confined_and_every_process_has_low_priority(
    service: Host, sounds: list[Path]
) -> None:
    service.write_settings("log.level = 'debug'")
    service.systemctl("restart", "valenced")
    files = [service.drop(sound, f"nice-{i}.flac".encode()) for i, sound in enumerate(sounds)]
    service.machine.wait_until(lambda: any(map(tagged, files)), "at work")
    worker = service.machine.run(
        "pgrep", "-P", str(service.pid), "-f", "daemon.worker.worker_process"
    ).split()[0]
    main, inside = (service.machine.process(pid) for pid in (str(service.pid), worker))
    # 10 more than the service, by analysis.nice.
    assert (main.nice, inside.nice) == (5, 15)
    # CAP_LEASE, number 28, is for the service alone.
    for process, capabilities in ((main, 1 << 28), (inside, 0)):
        status = process.status("Seccomp", "NoNewPrivs", "CapEff", "CapPrm", "CapAmb")
        assert status[:2] == ["2", "1"]
        assert [int(held, 16) for held in status[2:]] == [capabilities, capabilities, 0]
        assert process.oom_score == 500
        assert service.machine.run("ionice", "-p", process.pid).strip() == "idle"
    if landlock_version():
        mine = f"_PID={service.pid}"
        service.machine.wait_for_log("that read sound are confined", mine)
        assert "are not confined" not in service.machine.journal(mine)
    assert service.machine.properties("CPUWeight", "IOWeight", "IOSchedulingClass") == [
        "20",
        "20",
        "3",
    ]
    (limit, most, tasks, umask) = service.machine.properties(
        "MemoryHigh", "MemoryMax", "TasksMax", "UMask"
    )
    assert int(most) == pytest.approx(1.5 * int(limit), rel=1e-3)
    assert (tasks, umask) == ("512", "0077")
    assert int(limit) == pytest.approx(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2)
    for name, value in service.machine.control_group("valenced").items():
        assert value == {"cpu.weight": 20, "cpu.shares": 204, "memory.high": int(limit)}[name]


def test_a_unit_that_forbids_landlock_is_reported(service: Host, sounds: list[Path]) -> None:
    forbids = Path("/etc/systemd/system/valenced.service.d/80-forbids.conf")
    service.machine.path(forbids).write_text(
        "[Service]\nSystemCallFilter=~landlock_create_ruleset\n"
    )
    try:
        service.systemctl("daemon-reload")
        service.systemctl("restart", "valenced")
        service.wait_for_tags(service.drop(sounds[0], b"open.flac"))
        warnings = f"_PID={service.pid}", "PRIORITY=4"
        service.machine.wait_for_log("are not confined: files (Landlock) missing", *warnings)
    finally:
        service.machine.path(forbids).unlink()
        service.systemctl("daemon-reload")


def test_what_runs_in_a_worker_under_the_unit_can_do_nothing_else(
    service: Host, sounds: list[Path]
) -> None:
    probe = service.machine.path("/var/lib/sounds/probe.py")
    program = f"""
from trainer.audio.sandbox import confine
kept = os.open({str(sounds[0])!r}, os.O_RDONLY)
layers = confine(1024)
print("PROBED", successful({str(sounds[0])!r}, kept, "9"), len(layers), flush=True)
"""
    probe.write_text(PROBE + program)
    only = Path("/etc/systemd/system/valenced.service.d/99-probe.conf")
    service.systemctl("stop", "valenced")
    service.machine.path(only).write_text(
        "[Service]\nType=oneshot\nWatchdogSec=0\nRestart=no\nEnvironment=OPENBLAS_NUM_THREADS=1\n"
        f"ExecStart=\nExecStart={sys.executable} -P /var/lib/sounds/probe.py\n"
    )
    try:
        service.systemctl("daemon-reload")
        service.systemctl("start", "valenced")
        service.machine.wait_for_log("PROBED")
    finally:
        service.machine.path(only).unlink()
        service.systemctl("daemon-reload")
    assert "PROBED [] 6" in service.machine.journal("-o", "cat")


def test_wrong_settings_stop_it_with_78_and_it_is_not_restarted(service: Host) -> None:
    service.write_settings("tags.mode = 'loud'")
    service.machine.run("systemctl", "restart", "valenced", exit_code=1)
    states = service.machine.properties("ActiveState", "ExecMainStatus", "NRestarts", "Result")
    assert states == ["failed", "78", "0", "exit-code"]
    service.machine.wait_for_log("tags.mode", "PRIORITY=3")


def test_a_stop_finishes_the_files_being_processed(
    service: Host, sounds: list[Path], tmp_path: Path
) -> None:
    files = [service.drop(sound, f"stop-{i}.flac".encode()) for i, sound in enumerate(sounds)]
    service.machine.wait_until(lambda: any(map(tagged, files)), "at work")
    service.systemctl("stop", "valenced")
    assert service.machine.properties("Result", "ExecMainStatus") == ["success", "0"]
    # SQLite cannot open a path through /proc.
    catalogue = tmp_path / "catalogue.db"
    catalogue.write_bytes(service.machine.path("/var/lib/valenced/catalogue.db").read_bytes())
    with closing(sqlite3.connect(catalogue)) as plain:
        running = plain.execute("SELECT count(*) FROM queue WHERE state = 'running'").fetchall()
        pending = plain.execute(
            "SELECT count(*) FROM sounds WHERE tag_state = 'pending'"
        ).fetchall()
    assert (running, pending) == ([(0,)], [(0,)])
    assert not list(service.machine.path(MUSIC).glob(".valenced*"))


def test_uninstalled_it_leaves_catalogue_and_settings(host: Host) -> None:
    host.write_settings()
    host.machine.run(COMMAND, "uninstall")
    for gone in ("systemd/system/valenced.service", "sysusers.d/valenced.conf"):
        assert not host.machine.path(Path("/etc") / gone).exists()
    assert host.machine.path(SETTINGS).exists()
    assert host.machine.path("/var/lib/valenced/catalogue.db").exists()
