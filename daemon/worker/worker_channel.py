"""Messages between the service and a worker: their length, JSON, and perhaps open files.

The service does not trust what comes back: it takes no files, no more bytes than it is willing to
hold, and waits for the whole of a message no longer than for its beginning.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_FILES: Final = 4
"""The most files that come with one request."""

UNCONFINED: Final = frozenset({"prepare", "warm"})
"""Requests that meet no hostile file; a worker confines itself before the first other one."""

_LENGTH: Final = struct.Struct("!I")
_PIECE: Final = 2**18


def send(channel: socket.socket, message: Mapping[str, Any], files: Sequence[int] = ()) -> None:
    """Send a message and copies of open descriptors.

    Raises:
        OSError: the other side is gone, or does not listen.
    """
    content = json.dumps(message).encode("ascii")
    # The receiver looks for descriptors at the length only.
    socket.send_fds(channel, [_LENGTH.pack(len(content))], files)
    channel.sendall(content)


def receive_request(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Wait for a request of the service, and take the files that come with it.

    Raises:
        EOFError: the service has closed the channel.
    """
    head, files, _, _ = socket.recv_fds(
        channel, _LENGTH.size, MOST_FILES, socket.MSG_CMSG_CLOEXEC | socket.MSG_WAITALL
    )
    if len(head) < _LENGTH.size:
        raise EOFError
    content = bytearray()
    (length,) = _LENGTH.unpack(head)
    while len(content) < length:
        piece = channel.recv(min(_PIECE, length - len(content)))
        if not piece:
            raise EOFError
        content += piece
    request: dict[str, Any] = json.loads(content)
    return request, files


def receive_answer(channel: socket.socket, largest: int, limit_s: float) -> object:
    """Return the answer of a worker, which may be any JSON value.

    Args:
        channel: leads to the worker.
        largest: the most bytes that are taken.
        limit_s: how long the whole of it may take.

    Raises:
        TimeoutError: it did not come in time.
        EOFError: the worker has ended.
        OSError: as it has, with a request unread.
        ValueError: it is no JSON, too long, or came with files.
        RecursionError: it is nested too deeply.
    """
    ends_at_s = time.monotonic() + limit_s
    (length,) = _LENGTH.unpack(_exactly(channel, _LENGTH.size, ends_at_s))
    if length > largest:
        raise ValueError("the answer is too long")
    return json.loads(_exactly(channel, length, ends_at_s))


def has_something(channel: socket.socket) -> bool:
    """Tell whether a worker has sent something that nobody asked for, or has ended."""
    channel.setblocking(False)
    try:
        channel.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _exactly(channel: socket.socket, length: int, ends_at_s: float) -> bytes:
    found = bytearray()
    while len(found) < length:
        left_s = ends_at_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        channel.settimeout(left_s)
        # No room for descriptors: the kernel closes those that come nevertheless, and says so.
        piece, _, flags, _ = channel.recvmsg(min(_PIECE, length - len(found)))
        if not piece:
            raise EOFError
        if flags & socket.MSG_CTRUNC:
            raise ValueError("the answer came with files")
        found += piece
    return bytes(found)
