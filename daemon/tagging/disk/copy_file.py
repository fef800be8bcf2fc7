"""An open copy as the file object through which mutagen edits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.tagging.formats.byte_views import OpenFile, ViewFile

if TYPE_CHECKING:
    from daemon.tagging.disk.syscalls import DiskCalls


class CopyFile(ViewFile):
    """Reads and writes a descriptor at a position of its own, unbuffered.

    Args:
        descriptor: open for reading and writing; the caller closes it.
        disk: does the system calls.
    """

    def __init__(self, descriptor: int, disk: DiskCalls) -> None:
        super().__init__(OpenFile(descriptor))
        self._descriptor = descriptor
        self._disk = disk

    def write(self, content: bytes) -> int:
        """Write all bytes at the current position."""
        # mutagen tries out a file object by writing nothing.
        if content:
            try:
                self._disk.write(self._descriptor, content, self._at)
            except OSError as error:
                self.failure = error
                raise
            self._at += len(content)
            self.view = OpenFile(self._descriptor)
        return len(content)

    def truncate(self, size: int | None = None) -> int:
        """Set the length, to the current position by default."""
        length = self._at if size is None else size
        try:
            self._disk.cut(self._descriptor, length)
        except OSError as error:
            self.failure = error
            raise
        self.view = OpenFile(self._descriptor)
        return length

    def flush(self) -> None:
        """Do nothing, as nothing is buffered."""
