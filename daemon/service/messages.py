"""The messages of the event loop, and the queue by which threads and signal handlers send them."""

from __future__ import annotations

from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class PathChanged:
    """The file system reported a change at this path."""

    path: Path


@dataclass(frozen=True)
class Reconcile:
    """Compare the folders with the catalogue, for the reason given."""

    reason: str


@dataclass(frozen=True)
class ReconcileDue:
    """The time of the periodic comparison has come."""


@dataclass(frozen=True)
class EventsLost:
    """The kernel dropped events, so that only a comparison finds what they told."""


@dataclass(frozen=True)
class CheckFolders:
    """Check whether a watched folder went away or came back, and what background jobs do."""


@dataclass(frozen=True)
class RetrainDue:
    """The scheduled time of retraining has come."""


@dataclass(frozen=True)
class MaintenanceDue:
    """The scheduled time of database maintenance has come."""


@dataclass(frozen=True)
class Reload:
    """Read the settings again."""


@dataclass(frozen=True)
class Stop:
    """End the run; `broken_by` is what broke, None if the stop was requested."""

    broken_by: BaseException | None = None


class RoleChanged(Exception):
    """This service must do another part than before; the parts of a run are built again."""


Message = (
    PathChanged
    | Reconcile
    | ReconcileDue
    | EventsLost
    | CheckFolders
    | RetrainDue
    | MaintenanceDue
    | Reload
    | Stop
)

# A SimpleQueue may be filled from a signal handler; an Event or a Queue may not.
MessageQueue = SimpleQueue[Message]


def stops(messages: Iterable[Message]) -> bool:
    """Return whether one of the messages says stop.

    Raises:
        RoleChanged: this is all that a message says.
        Exception: what broke a consumer.
    """
    ends = [message.broken_by for message in messages if isinstance(message, Stop)]
    ends.sort(key=lambda broken_by: isinstance(broken_by, RoleChanged))
    if ends and ends[0] is not None:
        raise ends[0]
    return bool(ends)


def next_messages(queue: MessageQueue, timeout_s: float | None) -> list[Message]:
    """Wait for a message, then take all there are: one file often sends many equal ones.

    Returns:
        Each message once; none if none came within `timeout_s` seconds.
    """
    messages: list[Message] = []
    try:
        messages.append(queue.get(timeout=timeout_s))
        while True:
            messages.append(queue.get_nowait())
    except Empty:
        return list(dict.fromkeys(messages))
