from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.driving import Valenced
from tests.postgresql_server import PostgresqlServer, running_server, why_missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A shell that runs the tests in the background bids them ignore Ctrl-C, and all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Where this is set, each of the thousands of commands that tests start compiles every module again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    """Set back what a command that runs in this process changes."""
    before = os.umask(0o077)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture
def valenced(tmp_path: Path) -> Valenced:
    return Valenced(tmp_path / "state", "watch.settle_s=0.3")


@pytest.fixture(scope="session")
def server() -> Iterator[PostgresqlServer]:
    """Start a PostgreSQL server, one for all tests of this process."""
    if (reason := why_missing()) is not None:
        pytest.skip(reason)
    with running_server() as started:
        yield started


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


@pytest.fixture
def address(tmp_path: Path) -> str:
    return str(tmp_path / "notify")


@pytest.fixture
def supervisor(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.setblocking(False)
        yield listening
