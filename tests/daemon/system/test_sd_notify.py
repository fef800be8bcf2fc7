"""What a supervisor receives, on a real socket."""

from __future__ import annotations

import os
import socket
from contextlib import closing

import pytest

from daemon.system.sd_notify import Notifier
from tests.driving import notifications


def test_start_reload_and_end_are_reported(supervisor: socket.socket, address: str) -> None:
    with closing(Notifier(address)) as notifier:
        notifier.status("opening\nthe catalogue")
        notifier.status("opening the catalogue")
        notifier.ready()
        notifier.reloading()
        notifier.ready()
        notifier.stopping()
    said = notifications(supervisor)
    assert said[:2] == ["STATUS=opening the catalogue", "READY=1"]
    assert said[2].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert said[3:] == ["READY=1", "STOPPING=1"]


def test_a_heartbeat_asks_for_time_until_ready_and_then_comes_at_its_interval(
    supervisor: socket.socket, address: str
) -> None:
    with closing(Notifier(address, watchdog_s=40)) as notifier:
        assert notifier.watchdog_interval_s == 10
        notifier.heartbeat(0)
        notifier.ready()
        for now_s in (5, 10, 15, 20):
            notifier.heartbeat(now_s)
    assert notifications(supervisor) == [
        "EXTEND_TIMEOUT_USEC=60000000",
        "READY=1",
        "WATCHDOG=1",
        "WATCHDOG=1",
    ]


def test_heartbeats_continue_while_something_else_is_waited_for(
    supervisor: socket.socket, address: str
) -> None:
    supervisor.setblocking(True)
    supervisor.settimeout(60)
    with closing(Notifier(address, watchdog_s=0.04)) as notifier:
        notifier.ready()
        with notifier.kept_alive():
            said = [supervisor.recv(100) for _ in range(4)]
        notifier.stopping()
    assert said == [b"READY=1", *[b"WATCHDOG=1"] * 3]
    supervisor.setblocking(False)
    assert notifications(supervisor)[-1] == "STOPPING=1"


def test_a_start_that_takes_long_asks_for_time(supervisor: socket.socket, address: str) -> None:
    with closing(Notifier(address)) as notifier, notifier.kept_alive():
        pass
    assert notifications(supervisor) == ["EXTEND_TIMEOUT_USEC=60000000"]


def test_who_has_no_supervisor_beats_for_nobody() -> None:
    with closing(Notifier()) as notifier:
        notifier.ready()
        with notifier.kept_alive():
            pass


def test_an_abstract_address_is_understood_and_kept_from_children() -> None:
    name = f"valenced-test-{os.getpid()}"
    environment = {
        "NOTIFY_SOCKET": f"@{name}",
        "WATCHDOG_USEC": "2000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(f"\0{name}")
        supervisor.setblocking(False)
        with closing(Notifier.of(environment)) as notifier:
            notifier.ready()
            assert notifier.watchdog_interval_s == 0.5
        assert notifications(supervisor) == ["READY=1"]
    assert environment == {}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTIFY_SOCKET": "nowhere"},
        {"NOTIFY_SOCKET": ""},
        {"WATCHDOG_USEC": "1000000"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "a while"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "²"},
        {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
    ],
)
def test_without_a_watchdog_in_the_environment_no_heartbeat_is_due(
    environment: dict[str, str],
) -> None:
    with closing(Notifier.of(environment)) as notifier:
        assert notifier.watchdog_interval_s is None


def test_a_supervisor_that_is_gone_or_does_not_listen_stops_nothing(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Notifier(address)) as notifier:
        notifier.ready()
    assert "cannot be notified" in caplog.text
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(address)
        with closing(Notifier(address, watchdog_s=1)) as notifier:
            notifier.ready()
            for now_s in range(2000):
                notifier.heartbeat(now_s)
