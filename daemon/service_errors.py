"""What can go wrong while the service runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.errors import ValencedError
from trainer.trainer_errors import ClipError

if TYPE_CHECKING:
    from pathlib import Path


class WorkerError(ValencedError):
    """No worker can be started just now; nothing is lost, and it is tried again."""


class InstallError(ValencedError):
    """The units cannot be put in place or taken away; the message says which file or program."""


class TagWriteError(ClipError):
    """The tags of one file were not written; the file is as it was.

    Args:
        path: the file.
        reason: one line, without the path: what is in the way and what to do about it.
        retry: whether trying again later, with nothing changed by hand, can succeed.
    """

    def __init__(self, path: Path, reason: str, *, retry: bool = False) -> None:
        super().__init__(path, reason)
        self.retry = retry


class BackupError(ValencedError):
    """A backup cannot be made or used; what is there stays as it is."""
