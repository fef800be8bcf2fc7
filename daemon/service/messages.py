"""What the main loop is told, and by whatever thread or signal handler it is told."""

from __future__ import annotations

from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class PathChanged:
    """Something happened at this path."""

    path: Path


@dataclass(frozen=True)
class Reconcile:
    """The folders are to be compared with the catalogue, for the reason given."""

    reason: str


@dataclass(frozen=True)
class CheckFolders:
    """It is time to see whether a watched folder went away or came back."""


@dataclass(frozen=True)
class RetrainDue:
    """It is the hour at which people's annotations are learned from."""


@dataclass(frozen=True)
class MaintenanceDue:
    """It is time to keep the catalogue's file small."""


@dataclass(frozen=True)
class Reload:
    """The settings are to be read again."""


@dataclass(frozen=True)
class Stop:
    """The run is to end; `broken_by` if something broke, rather than somebody asked."""

    broken_by: BaseException | None = None


Message = PathChanged | Reconcile | CheckFolders | RetrainDue | MaintenanceDue | Reload | Stop

# A SimpleQueue may be filled from a signal handler; an Event or a Queue may not.
MessageQueue = SimpleQueue[Message]
