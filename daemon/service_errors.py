"""The exceptions of the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.errors import ValencedError
from trainer.trainer_errors import ClipError

if TYPE_CHECKING:
    from pathlib import Path


class WorkerError(ValencedError):
    """No worker process can be started at present; nothing is lost, and it is tried again."""


class ClusterError(ValencedError):
    """The cluster cannot be used at present; nothing is lost, and sounds are heard here."""


class FitsLost(ClusterError):
    """Some fits got lost with the machines of the cluster that made them."""


class InstallError(ValencedError):
    """The units cannot be installed or removed; the message names the file or program."""


class TagWriteError(ClipError):
    """The tags of one file were not written; the file is unchanged.

    Args:
        path: the file.
        reason: one line, without the path: what prevents it and what to do about it.
        retry: whether a later attempt can succeed although nobody changes anything.
        is_try: whether the worker failed at this file, which is given up after a few such tries.
    """

    def __init__(
        self, path: Path, reason: str, *, retry: bool = False, is_try: bool = False
    ) -> None:
        super().__init__(path, reason)
        self.retry = retry
        self.is_try = is_try


class BackupError(ValencedError):
    """A backup cannot be made or used; nothing was changed."""


class PlaylistRefused(ValencedError):
    """A playlist was not written, since something else has its name."""

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file.name} is not a playlist of valenced; move it away")
