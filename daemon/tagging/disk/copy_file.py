"""An open copy as the file object through which mutagen edits it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.tagging.formats.byte_views import OpenFile, ViewFile

if TYPE_CHECKING:
    from daemon.tagging.disk.syscalls import DiskCalls


class CopyFile(ViewFile):
    """Reads and writes a descriptor, unbuffered.

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
            with self.noting_failure():
                self._disk.write(self._descriptor, content, self.tell())
            self.seek(len(content), 1)
            self.view = OpenFile(self._descriptor)
        return len(content)

    def truncate(self, size: int | None = None) -> int:
        """Set the length, to the current position by default."""
        length = self.tell() if size is None else size
        with self.noting_failure():
            self._disk.truncate(self._descriptor, length)
        self.view = OpenFile(self._descriptor)
        return length

    def flush(self) -> None:
        """Do nothing, as nothing is buffered."""
