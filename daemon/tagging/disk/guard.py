"""Guards an original against other programs, from before the proof until its write has ended."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final, Self

from daemon.tagging.basics.tag_errors import TagsRefused
from daemon.tagging.disk.leases import NO_LEASE, READ_LEASE, WRITE_LEASE
from daemon.tagging.disk.source import OriginalChanged

if TYPE_CHECKING:
    from daemon.tagging.disk.source import SourceFile

_ATTEMPTS: Final = 20
_PAUSE_S: Final = 0.05


class Guard:
    """A lease on an original, where its file system has leases; used in a `with` block.

    With it, a program that opens the file for writing waits for the end of the block and then finds
    it as it was: such a write is given up.

    Raises:
        OriginalChanged: on entry, if a program has it open for writing.
        TagsRefused: on entry, if that cannot be known by this user.
    """

    def __init__(self, source: SourceFile) -> None:
        self._source = source
        self._kind = NO_LEASE

    def __enter__(self) -> Self:
        try:
            self._request(READ_LEASE)
        except BlockingIOError as error:
            raise OriginalChanged from error
        except PermissionError as error:
            raise TagsRefused(
                "another user owns it, and only its owner or a process with CAP_LEASE learns"
                " whether a program is writing it; run valenced as its owner or as the installed"
                " system service, or set tags.mode = sidecar"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    def holds(self) -> bool:
        """Tell whether no program has opened the file for writing, or waits to, meanwhile."""
        disk, descriptor = self._source.disk, self._source.descriptor
        return self._kind == NO_LEASE or disk.holds_lease(descriptor, self._kind)

    def require_unchanged(self) -> None:
        """Raise OriginalChanged if the file was changed, or is about to be."""
        if not (self.holds() and self._source.unchanged()):
            raise OriginalChanged

    def open_to_change(self) -> None:
        """Make the source's descriptor one that may also write.

        Raises:
            OriginalChanged: it is not the file that was read any more.
            TagsRefused: another program has it open, if only for reading.
            OSError: the system refused.
        """
        self.require_unchanged()
        source, disk = self._source, self._source.disk
        # Opening it for writing would break our own lease. What is written in between is noticed.
        self._release()
        try:
            target = disk.open_to_change(source.folder, source.path.name)
        except BlockingIOError as error:
            raise OriginalChanged from error
        try:
            # A write lease is granted only if no other program has the file open.
            os.dup2(target, source.descriptor, inheritable=False)
        finally:
            os.close(target)
        self._request_alone()
        self.require_unchanged()

    def _request_alone(self) -> None:
        """Ask for a write lease; a program that has just looked at the file may still have it."""
        for attempt in range(_ATTEMPTS):
            try:
                self._request(WRITE_LEASE)
            except BlockingIOError as error:
                if attempt == _ATTEMPTS - 1:
                    reason = "another program has it open; it is written in place when none has"
                    raise TagsRefused(reason, retry=True) from error
                time.sleep(_PAUSE_S)
            else:
                return

    def _request(self, kind: int) -> None:
        if self._source.disk.request_lease(self._source.descriptor, kind):
            self._kind = kind

    def _release(self) -> None:
        if self._kind != NO_LEASE:
            self._source.disk.release_lease(self._source.descriptor)
            self._kind = NO_LEASE
