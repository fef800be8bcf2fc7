"""A file of ours under a temporary name, until it is put in place or removed."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from daemon.tagging.disk import temp_names
from daemon.tagging.disk.source import OriginalChanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.tagging.disk.syscalls import DiskCalls


class Temporary:
    """The file; made by `temporary`.

    Attributes:
        folder: handle of its folder.
        name: in that folder; None once it is in place or removed.
        is_kept: whether it stays where it is.
        descriptor: open for reading and writing.
    """

    def __init__(self, folder: int, disk: DiskCalls) -> None:
        self.folder = folder
        self.name: str | None = temp_names.new_temporary()
        self.is_kept = False
        self.descriptor = disk.create(folder, self.name)
        self._disk = disk
        self._exchanged_with: str | None = None
        self._later_name: str | None = None

    @property
    def is_gone(self) -> bool:
        """Whether it is in place or removed."""
        return self.name is None

    def is_at(self, name: str) -> bool:
        """Tell whether a name in the folder is that of this file."""
        there, ours = self._disk.status_of(self.folder, name), os.fstat(self.descriptor)
        return there is not None and (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def rename_to_free(self, name: str) -> None:
        """Give the file another name, which must be free, and which is temporary, too."""
        assert self.name is not None
        # A call that fails may have done its work.
        self._later_name = name
        self._disk.rename_to_free(self.folder, self.name, name)
        self.name = name

    def replace(self, name: str, is_expected: Callable[[str], bool]) -> str | None:
        """Put the file in the place of another, which is removed.

        The two change names, and only then the other is looked at under the temporary name:
        whatever was put in its place until that moment is found, and is put back.

        Args:
            name: of the other file.
            is_expected: returns whether the other file, under the name given, may be removed.

        Returns:
            A warning if the folder could not be synced, None almost always.

        Raises:
            OriginalChanged: another file than expected was there, and is there again.
            OSError: the system refused; all is as it was.
        """
        assert self.name is not None
        self._exchanged_with = name
        if not self._disk.exchange(self.folder, self.name, name):
            self._exchanged_with = None
            self._disk.rename(self.folder, self.name, name)
            self.name = None
            return self.sync_folder()
        # The exchange must be on the medium before the other file is gone.
        warning = self.sync_folder()
        if not is_expected(self.name):
            raise OriginalChanged
        self._disk.remove(self.folder, self.name)
        self.name = None
        return warning

    def sync_folder(self) -> str | None:
        """Sync the folder, and return a warning if that failed."""
        try:
            self._disk.sync_folder(self.folder)
        except OSError as error:
            return f"written, but its folder could not be synced ({error.strerror})"
        return None

    def discard(self) -> None:
        """Remove the file, and put back the one that it was exchanged with.

        A failure to do so must not hide what went wrong before.
        """
        try:
            self._discard()
        except BaseException as error:
            # A first failure may be temporary; after a second, clean-up at start takes over.
            with suppress(OSError):
                self._discard()
            if not isinstance(error, OSError):
                raise

    def _discard(self) -> None:
        if self.name is None or self.is_kept:
            return
        if self._exchanged_with is not None and not self.is_at(self.name):
            self._put_back(self.name, self._exchanged_with)
        for name in (self.name, self._later_name):
            if name is not None and self.is_at(name):
                self._disk.remove(self.folder, name)
        self.name = None

    def _put_back(self, name: str, original: str) -> None:
        if self._disk.status_of(self.folder, name) is None:
            return
        if self._disk.status_of(self.folder, original) is None:
            # Somebody removed our file from there, and must not lose theirs.
            self._disk.rename_to_free(self.folder, name, original)
            return
        self._disk.exchange(self.folder, name, original)
        if not self.is_at(name):
            # A third file had been put there, which is newer than the one put back.
            self._disk.exchange(self.folder, name, original)


@contextmanager
def temporary(folder: int, disk: DiskCalls) -> Iterator[Temporary]:
    """Hold a new file open; unless it was put in place, it is removed at the end."""
    made = Temporary(folder, disk)
    try:
        # By the lock, clean-up knows that the file is in use.
        disk.try_lock(made.descriptor)
        yield made
    finally:
        try:
            made.discard()
        finally:
            os.close(made.descriptor)
