"""Sends log records to systemd's journal by its native protocol, with searchable fields.

The protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL) takes forty lines; the libraries for it
are C extensions that would have to be compiled on each machine.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import sys
from array import array
from contextlib import suppress
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ADDRESS: Final = "/run/systemd/journal/socket"
TIMEOUT_S: Final = 5.0
FIELDS: Final = ("clip", "folder", "bundle", "reason")
"""What a record may carry in `extra`; in the journal each is a field, in capitals."""

_MOST_FOLDERS: Final = 64
"""Of one entry; the journal refuses an entry of more than 1024 fields."""

_PRIORITIES: Final = {
    logging.CRITICAL: 2,
    logging.ERROR: 3,
    logging.WARNING: 4,
    logging.INFO: 6,
    logging.DEBUG: 7,
}


def is_journal(descriptor: int, environment: Mapping[str, str]) -> bool:
    """Tell whether a descriptor is the journal stream that systemd names in the environment."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class JournalHandler(logging.Handler):
    """Sends each record as one entry, with the formatted line as its message.

    Args:
        address: of the journal's socket.
    """

    def __init__(self, address: str = ADDRESS) -> None:
        super().__init__()
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(TIMEOUT_S)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a record; without a journal, write its line to stderr."""
        line = self.format(record)
        entry = b"".join(_field(name, value) for name, value in _fields(record, line))
        try:
            self._send(entry)
        except OSError:
            with suppress(OSError, ValueError):
                sys.stderr.write(f"{line}\n")

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()

    def _send(self, entry: bytes) -> None:
        try:
            self._socket.sendto(entry, self._address)
        except (FileNotFoundError, ConnectionRefusedError, TimeoutError):
            raise
        except OSError:
            self._send_as_file(entry)

    def _send_as_file(self, entry: bytes) -> None:
        """Send what is too large for a datagram as a sealed file in memory."""
        descriptor = os.memfd_create("journal-entry", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        try:
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.write(entry)
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [descriptor]))
            # `socket.send_fds` ignores the address.
            self._socket.sendmsg([b""], [rights], 0, self._address)
        finally:
            os.close(descriptor)


def _fields(record: logging.LogRecord, line: str) -> Iterator[tuple[str, Any]]:
    yield "MESSAGE", line
    yield "PRIORITY", next((p for level, p in _PRIORITIES.items() if record.levelno >= level), 7)
    yield "SYSLOG_IDENTIFIER", "valenced"
    yield "LOGGER", record.name
    for name in FIELDS:
        if (value := getattr(record, name, None)) is not None:
            yield name.upper(), value
    for folder in _folders_around(record):
        yield "FOLDER", folder


def _folders_around(record: logging.LogRecord) -> Iterator[PurePath]:
    """Yield the folders that a record's file or folder lies in, as a field may have many values.

    `journalctl FOLDER=/srv/music` finds entries with just this value, so that each entry needs a
    value for every folder around its file.
    """
    about = getattr(record, "clip", None) or getattr(record, "folder", None)
    if isinstance(about, PurePath) and about.is_absolute():
        yield from islice((folder for folder in about.parents if folder.name), _MOST_FOLDERS)


def _field(name: str, value: Any) -> bytes:
    """Encode a field with its length, so that its value may hold any byte."""
    content = os.fsencode(value if isinstance(value, os.PathLike) else str(value))
    return b"%b\n%b%b\n" % (name.encode("ascii"), len(content).to_bytes(8, "little"), content)
