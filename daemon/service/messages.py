"""The messages of the event loop, and the queue by which threads and signal handlers send them."""

from __future__ import annotations

from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


Message = PathChanged | Reconcile | CheckFolders | RetrainDue | MaintenanceDue | Reload | Stop

# A SimpleQueue may be filled from a signal handler; an Event or a Queue may not.
MessageQueue = SimpleQueue[Message]
