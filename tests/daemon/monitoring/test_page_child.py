"""The page's process: it answers by the service, comes back after a kill, and ends with it."""

from __future__ import annotations

import os
import signal
import time
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

from config.loading import load
from daemon.monitoring.listening_socket import address_in_use, listening_socket
from daemon.monitoring.page_child import PageChild
from daemon.monitoring.page_messages import TEXT, PageConfig, Reply
from tests.daemon.page.page_client import PageClient
from tests.driving import PATIENCE_S, POLL_S, Valenced

if TYPE_CHECKING:
    import pytest

    from daemon.monitoring.page_messages import Subject

ANYWHERE = "127.0.0.1:0"


def children() -> set[int]:
    """Return the processes of the page that any thread of this one has started."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= {int(number) for number in (task / "children").read_text().split()}
    return {number for number in found if is_page(number)}


def is_page(process: int) -> bool:
    """Tell whether a process that runs is that of a page."""
    try:
        return b"daemon.page.page_process" in Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_it_answers_comes_back_and_ends(
    valenced: Valenced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.monitoring.page_child.FIRST_DELAY_S", 0.01)
    valenced.create_catalogue()
    state = valenced.catalogue.parent
    loaded = load(environ={"STATE_DIRECTORY": str(state), "HOME": str(state)})
    asked: list[str] = []

    def reply(about: Subject) -> Reply:
        asked.append(about)
        return Reply(200, TEXT, b"as the service says")

    before = children()
    with listening_socket(ANYWHERE) as listener:
        address = address_in_use(ANYWHERE, listener)

        def config() -> PageConfig:
            url = f"sqlite:///{valenced.catalogue}"
            return PageConfig(loaded.settings, url, state, address, "token", "warning")

        child = PageChild(listener, config, reply)
        page = PageClient(address, "token")
        with child.running():
            assert page.get("/health").body == b"as the service says"
            assert asked == ["health"]
            assert page.read("/api/v1/folders") == {"folders": []}
            (first,) = children() - before
            # No process is kept waiting by the end of another: the address stays open.
            os.kill(first, signal.SIGKILL)
            assert answered(page) == b"as the service says"
            (second,) = children() - before
            assert second != first
            child.renew()
            assert answered(page) == b"as the service says"
        assert children() == before


def answered(page: PageClient) -> bytes:
    """Return the answer of the next process; one that ends may take a connection with it."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return page.get("/health").body
        except (ConnectionError, HTTPException):
            assert time.monotonic() < deadline_s
            time.sleep(POLL_S)
