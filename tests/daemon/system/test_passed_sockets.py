"""A listening socket that another process opened, as systemd hands it over."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from daemon.monitoring.listening_socket import listening_socket
from daemon.system.passed_sockets import passed_listener, take_listener

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = 200


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def handed(stack: ExitStack, *descriptors: int) -> dict[str, str]:
    """Hand descriptors over to this process, at numbers that are free."""
    for number, descriptor in enumerate(descriptors, start=FIRST):
        os.dup2(descriptor, number)
        stack.callback(close_if_open, number)
    return {
        "LISTEN_PID": str(os.getpid()),
        "LISTEN_FDS": str(len(descriptors)),
        "LISTEN_FDNAMES": "valenced.socket",
        "HOME": "/",
    }


def close_if_open(number: int) -> None:
    try:
        os.close(number)
    except OSError:
        return


def is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def test_a_socket_is_taken_over_and_no_child_gets_it(listener: socket.socket) -> None:
    with ExitStack() as stack:
        environment = handed(stack, listener.fileno())
        taken = take_listener(environment, FIRST)
        assert taken is not None
        with taken:
            assert taken.getsockname() == listener.getsockname()
            assert not taken.get_inheritable()
        assert environment == {"HOME": "/"}
        assert take_listener(environment, FIRST) is None


@pytest.mark.parametrize("address", ["", "127.0.0.1:8000"])
def test_a_socket_stays_open_for_a_run_that_serves_an_address(
    listener: socket.socket, address: str
) -> None:
    with ExitStack() as stack:
        with passed_listener(address, handed(stack, listener.fileno()), FIRST) as passed:
            assert (passed is not None) is bool(address)
            assert is_open(FIRST) is bool(address)
        assert not is_open(FIRST)


def test_it_is_found_among_others_which_are_closed(listener: socket.socket) -> None:
    with ExitStack() as stack:
        datagrams, stream = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), socket.socket()
        stack.enter_context(datagrams)
        stack.enter_context(stream)
        null = os.open("/dev/null", os.O_RDONLY)
        stack.callback(os.close, null)
        others = datagrams.fileno(), stream.fileno(), null
        environment = handed(stack, *others, listener.fileno(), listener.fileno())
        taken = take_listener(environment, FIRST)
        assert taken is not None
        with taken:
            assert taken.fileno() == FIRST + len(others)
            open_now = [number for number in range(FIRST, FIRST + 5) if is_open(number)]
            assert open_now == [taken.fileno()]


@pytest.mark.parametrize(
    "wrong",
    [
        {"LISTEN_PID": "1"},
        {"LISTEN_PID": ""},
        {"LISTEN_FDS": "-1"},
        {"LISTEN_FDS": "many"},
        {"LISTEN_FDS": "\u0663"},
        {"LISTEN_FDS": "0"},
    ],
)
def test_nothing_is_taken_that_was_not_meant_for_this_process(
    listener: socket.socket, wrong: dict[str, str]
) -> None:
    with ExitStack() as stack:
        environment = handed(stack, listener.fileno()) | wrong
        assert take_listener(environment, FIRST) is None
        assert is_open(FIRST)
        assert environment == {"HOME": "/"}


def test_a_number_without_end_costs_nothing(listener: socket.socket) -> None:
    with ExitStack() as stack:
        environment = handed(stack, listener.fileno()) | {"LISTEN_FDS": "9" * 20}
        taken = take_listener(environment, FIRST)
        assert taken is not None
        taken.close()


def test_another_address_than_that_of_the_socket_unit_is_said(
    listener: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    port = listener.getsockname()[1]
    with listening_socket(f"127.0.0.1:{port}", listener.dup()):
        assert not caplog.records
    with listening_socket("127.0.0.1:1", listener.dup()):
        assert f"its socket unit says {port}" in caplog.text


def test_no_child_inherits_it(listener: socket.socket) -> None:
    with ExitStack() as stack:
        taken = take_listener(handed(stack, listener.fileno()), FIRST)
        assert taken is not None
        with taken:
            see = f"import os; print(os.path.exists('/proc/self/fd/{FIRST}'))"
            done = subprocess.run(
                [sys.executable, "-c", see], close_fds=False, capture_output=True, check=True
            )
    assert done.stdout == b"False\n"
