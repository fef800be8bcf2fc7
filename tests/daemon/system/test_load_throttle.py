from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from daemon.system.load_throttle import LoadThrottle, is_on_battery, load_averages
from tests.sounds import music_like, write_audio

if TYPE_CHECKING:
    from pathlib import Path

    from tests.driving import Valenced


class Machine:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.load = 0.0

    def throttle(self, max_load: float) -> LoadThrottle:
        return LoadThrottle(
            max_load, "continue", load=lambda: (self.load, 9.0, 9.0), clock=lambda: self.now_s
        )


def supply(folder: Path, name: str, **files: str) -> None:
    (folder / name).mkdir(parents=True)
    for file, content in files.items():
        (folder / name / file).write_text(f"{content}\n")


def test_the_load_of_others_counts_and_our_own_does_not() -> None:
    machine = Machine()
    throttle = machine.throttle(1.0)
    machine.now_s, machine.load = 600.0, 2.9
    assert throttle.reason_to_wait(busy=2) is None
    machine.now_s, machine.load = 610.0, 3.5
    reason = throttle.reason_to_wait(busy=2)
    assert reason is not None
    assert "the load of others is 1.5, above 1" in reason
    # Our workers wait, so our part fades from the average, as it does from the kernel's.
    machine.now_s, machine.load = 1200.0, 1.5
    assert throttle.reason_to_wait(busy=0) is not None
    machine.load = 0.9
    assert throttle.reason_to_wait(busy=0) is None


def test_files_that_a_cluster_hears_do_not_load_this_machine() -> None:
    machine = Machine()
    throttle = LoadThrottle(
        1.0,
        "continue",
        load=lambda: (machine.load, 9.0, 9.0),
        clock=lambda: machine.now_s,
        processes=2,
    )
    machine.now_s, machine.load = 600.0, 3.5
    assert "the load of others is 1.5" in str(throttle.reason_to_wait(busy=24))


def test_no_work_waits_without_a_limit() -> None:
    machine = Machine()
    machine.load = 99.0
    assert machine.throttle(0).reason_to_wait(busy=0) is None


def test_a_discharging_battery_without_mains_is_running_on_battery(tmp_path: Path) -> None:
    assert not is_on_battery(tmp_path / "absent")
    assert not is_on_battery(tmp_path)
    supply(tmp_path, "hidpp_battery_0", type="Battery", scope="Device", status="Discharging")
    assert not is_on_battery(tmp_path)
    supply(tmp_path, "BAT0", type="Battery", status="Discharging")
    supply(tmp_path, "AC", type="Mains", online="0")
    (tmp_path / "odd").write_bytes(b"\xff")
    assert is_on_battery(tmp_path)
    paused = LoadThrottle(0, "pause", supplies=tmp_path)
    assert paused.reason_to_wait(busy=0) == "paused on battery (analysis.on_battery)"
    assert LoadThrottle(0, "continue", supplies=tmp_path).reason_to_wait(busy=0) is None
    (tmp_path / "AC" / "online").write_text("1\n")
    assert not is_on_battery(tmp_path)
    assert paused.reason_to_wait(busy=0) is None


@pytest.mark.parametrize("wrong", ["analysis.max_load=-1", 'analysis.on_battery="stop"'])
def test_wrong_settings_are_refused(valenced: Valenced, wrong: str) -> None:
    valenced("status", "--set", wrong, exit_code=78)
    assert "analysis." in valenced.stderr


def test_work_waits_while_others_need_the_machine(valenced: Valenced, music: Path) -> None:
    write_audio(music / "a.flac", music_like(2))
    spinning = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(spinning) for _ in range(2)]
    try:
        until_s = time.monotonic() + 60
        while os.getloadavg()[0] < 0.2 and time.monotonic() < until_s:
            time.sleep(1)
        with valenced.start("run", music, "--set", "analysis.max_load=0.001") as service:
            service.wait_for("paused while the load of others")
            assert valenced.select("SELECT count(*) FROM sounds") == [(0,)]
            assert service.stop() == 0
    finally:
        for other in others:
            other.kill()
            other.wait()
    valenced("scan", music)
    assert valenced.select("SELECT count(*) FROM sounds") == [(1,)]


def test_the_load_is_what_the_kernel_says() -> None:
    # The kernel renews it every five seconds, so one of three readings is undisturbed.
    assert any(load_averages() == pytest.approx(os.getloadavg(), abs=0.01) for _ in range(3))
