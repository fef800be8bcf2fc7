"""Entries for the journal, received on a real socket and read as journald reads them."""

from __future__ import annotations

import array
import logging
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemon.system.journald import JournalHandler, is_journal
from daemon.system.log_setup import start_logging
from tests.driving import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

ODD = Path(os.fsdecode(b'/music/caf\xe9 "two\nPRIORITY=0\nlines".ogg'))


@pytest.fixture
def address(tmp_path: Path) -> str:
    return str(tmp_path / "journal")


@pytest.fixture
def journal(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.settimeout(PATIENCE_S)
        yield listening


@pytest.fixture
def log(address: str) -> Iterator[logging.Logger]:
    logger = logging.getLogger("daemon.pipeline.stages")
    before = logger.level
    logger.setLevel("DEBUG")
    handler = JournalHandler(address)
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)
    logger.setLevel(before)
    handler.close()


def entry(journal: socket.socket) -> dict[str, bytes]:
    """Read one entry, by datagram or by a file that came with it."""
    room = socket.CMSG_LEN(array.array("i").itemsize)
    content, ancillary, _, _ = journal.recvmsg(1 << 20, room)
    if ancillary:
        (descriptor,) = array.array("i", ancillary[0][2])
        with os.fdopen(descriptor, "rb") as file:
            file.seek(0)
            content = file.read()
    fields = {}
    while content:
        name, _, content = content.partition(b"\n")
        length = int.from_bytes(content[:8], "little")
        fields[name.decode()] = content[8 : 8 + length]
        assert content[8 + length : 9 + length] == b"\n"
        content = content[9 + length :]
    return fields


def test_an_entry_can_be_searched_by_its_fields(
    journal: socket.socket, log: logging.Logger
) -> None:
    log.info("%s: analysed", Path("/a.ogg"), extra={"clip": Path("/a.ogg"), "bundle": "starter-1"})
    assert entry(journal) == {
        "MESSAGE": b"/a.ogg: analysed",
        "PRIORITY": b"6",
        "SYSLOG_IDENTIFIER": b"valenced",
        "LOGGER": b"daemon.pipeline.stages",
        "CLIP": b"/a.ogg",
        "BUNDLE": b"starter-1",
    }


def test_an_entry_can_be_searched_by_each_folder_around_it(
    journal: socket.socket, log: logging.Logger
) -> None:
    log.info("analysed", extra={"clip": Path("/srv/music/album/a.ogg")})
    log.info("gone", extra={"folder": Path("/srv/music")})
    log.info("nothing", extra={"folder": "relative", "clip": None})
    log.info("deep", extra={"clip": Path("/" + "d/" * 100 + "a.ogg")})
    received = [folders(journal.recv(1 << 20)) for _ in range(4)]
    assert received[:3] == [
        [b"/srv/music/album", b"/srv/music", b"/srv"],
        [b"/srv/music", b"/srv"],
        [b"relative"],
    ]
    # The journal refuses an entry of more than 1024 fields.
    assert len(received[3]) == 64


def folders(content: bytes) -> list[bytes]:
    found = content.split(b"FOLDER\n")[1:]
    return [value[8 : 8 + int.from_bytes(value[:8], "little")] for value in found]


@pytest.mark.parametrize(
    ("level", "priority"),
    [("critical", b"2"), ("error", b"3"), ("warning", b"4"), ("info", b"6"), ("debug", b"7")],
)
def test_each_level_has_its_priority(
    journal: socket.socket, log: logging.Logger, level: str, priority: bytes
) -> None:
    getattr(log, level)("so it is")
    assert entry(journal)["PRIORITY"] == priority


def test_a_name_can_forge_neither_a_field_nor_an_entry(
    journal: socket.socket, log: logging.Logger
) -> None:
    log.info("analysed", extra={"clip": ODD})
    received = entry(journal)
    assert received["CLIP"] == os.fsencode(ODD)
    assert received["PRIORITY"] == b"6"


def test_an_entry_too_large_for_a_datagram_comes_as_a_file(
    journal: socket.socket, log: logging.Logger
) -> None:
    log.info("%s", "x" * (1 << 22), extra={"clip": ODD})
    received = entry(journal)
    assert len(received["MESSAGE"]) == 1 << 22
    assert received["CLIP"] == os.fsencode(ODD)


def test_without_a_journal_the_line_goes_to_stderr(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    log.warning("nobody listens")
    assert capsys.readouterr().err == "nobody listens\n"


def test_stderr_is_the_journal_only_if_it_is_what_systemd_opened(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as stream:
        status = os.fstat(stream.fileno())
        here = f"{status.st_dev}:{status.st_ino}"
        assert is_journal(stream.fileno(), {"JOURNAL_STREAM": here})
        for elsewhere in ("", "0:0", "nonsense", here + "1"):
            assert not is_journal(stream.fileno(), {"JOURNAL_STREAM": elsewhere})
        assert not is_journal(stream.fileno(), {})
    assert not is_journal(1 << 20, {"JOURNAL_STREAM": here})


@pytest.mark.parametrize(("level", "tracebacks"), [("info", False), ("debug", True)])
def test_a_traceback_is_logged_at_the_level_debug_only(
    capfd: pytest.CaptureFixture[str], *, level: str, tracebacks: bool
) -> None:
    root = logging.getLogger()
    before, level_before = root.handlers[:], root.level
    try:
        start_logging(level, {})
        try:
            "two\nlines".index("three")
        except ValueError:
            logging.getLogger("daemon.pipeline.stages").exception("it broke")
        sys.stderr.flush()
    finally:
        root.handlers[:] = before
        root.setLevel(level_before)
    said = capfd.readouterr().err
    assert ("Traceback" in said) is tracebacks
    assert "it broke" in said
    if not tracebacks:
        assert said.endswith("ERROR it broke: ValueError: substring not found\n")
