"""A proven copy of a file with other tags, which replaces the original by one rename."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.disk import temp_names
from daemon.tagging.formats.byte_views import OpenFile, ViewFile
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.tagging.disk.source import SourceFile
    from daemon.tagging.disk.syscalls import DiskCalls
    from daemon.tagging.formats.byte_views import Assembled

# Signatures over the content, set by the kernel or a policy module; copied, they would be wrong.
_SIGNATURES = {"security.ima", "security.evm"}
_PERMISSION_BITS = 0o7777


class CopyDiffers(TagsRefused):
    """A copy cannot have all that the original has; writing into the original keeps it."""


class OriginalChanged(Exception):
    """The original changed while its copy was made; it was left as it is now."""


class Copy(ViewFile):
    """A complete copy, open as the file object through which mutagen edits it; not buffered.

    Attributes:
        path: None once the copy must no longer be removed.
        descriptor: open for reading and writing.
    """

    def __init__(self, path: Path, descriptor: int, disk: DiskCalls) -> None:
        super().__init__(OpenFile(descriptor))
        self.path: Path | None = path
        self.descriptor = descriptor
        self._disk = disk

    def write(self, content: bytes) -> int:
        """Write all bytes at the current position."""
        # mutagen tries out a file object by writing nothing.
        if content:
            with self.noting_failure():
                self._disk.write(self.descriptor, content, self.tell())
            self.seek(len(content), os.SEEK_CUR)
            self.view = OpenFile(self.descriptor)
        return len(content)

    def truncate(self, size: int | None = None) -> int:
        """Set the length, to the current position by default."""
        length = self.tell() if size is None else size
        with self.noting_failure():
            self._disk.truncate(self.descriptor, length)
        self.view = OpenFile(self.descriptor)
        return length

    def flush(self) -> None:
        """Do nothing, as nothing is buffered."""


@dataclass(frozen=True)
class FileWrite:
    """A write to carry out.

    Attributes:
        source: the original.
        content: the bytes of the copy, made of those of the original.
        complete: edits the copy further and proves it; raises to stop the write.
        keep_mtime: whether the original's times stay.
    """

    source: SourceFile
    content: Assembled
    complete: Callable[[Copy], None]
    keep_mtime: bool = False


class FinishedWrite(NamedTuple):
    """A write that is done.

    Attributes:
        status: of the file as we left it, by which later changes by others are recognised.
        warning: one line, although the file is written; None almost always.
    """

    status: os.stat_result
    warning: str | None = None


@contextmanager
def verified_copy(write: FileWrite, *, owned: bool = False) -> Iterator[Copy]:
    """Hold a complete temporary copy, perhaps with the original's owner; it is removed at the end.

    Raises:
        CopyDiffers: this user may not give the copy its owner.
        OSError: the copy could not be made.
    """
    disk = write.source.disk
    path = temp_names.new_temporary(write.source.path.parent)
    descriptor = disk.create(path)
    copy = Copy(path, descriptor, disk)
    try:
        # By the lock, clean-up knows that the file is in use.
        disk.try_lock(descriptor)
        if owned:
            _set_owner(write, descriptor)
        _fill(write, descriptor)
        copy.view = OpenFile(descriptor)
        write.complete(copy)
        yield copy
    finally:
        if copy.path is not None:
            remove_temporary(copy.path, descriptor, disk)
        os.close(descriptor)


def replace(write: FileWrite) -> FinishedWrite:
    """Replace the original by a copy with its owner, permissions and attributes.

    Raises:
        OriginalChanged: it changed meanwhile.
        CopyDiffers: the copy could not be given what the original has.
        OSError: the system refused; the original is as it was.
    """
    source, disk = write.source, write.source.disk
    with verified_copy(write, owned=True) as copy:
        assert copy.path is not None
        _set_attributes(write, copy.descriptor)
        disk.sync(copy.descriptor)
        status = os.fstat(copy.descriptor)
        if not source.unchanged():
            raise OriginalChanged
        disk.rename(copy.path, source.path)
        copy.path = None
    try:
        disk.sync_folder(source.path.parent)
    except OSError as error:
        warning = f"written, but its folder could not be synced ({error.strerror})"
        return FinishedWrite(status, warning)
    return FinishedWrite(status)


def _fill(write: FileWrite, target: int) -> None:
    source, disk = write.source.descriptor, write.source.disk
    cloned = disk.clone(source, target)
    at = 0
    for piece in write.content.pieces:
        if isinstance(piece, bytes):
            disk.write(target, piece, at)
            at += len(piece)
        else:
            if not (cloned and piece.offset == at):
                disk.copy_range(source, target, piece.offset, at, piece.length)
            at += piece.length
    if cloned:
        disk.truncate(target, write.content.size)


def _set_owner(write: FileWrite, target: int) -> None:
    was, now = write.source.status, os.fstat(target)
    if (was.st_uid, was.st_gid) != (now.st_uid, now.st_gid):
        try:
            write.source.disk.set_owner(target, was.st_uid, was.st_gid)
        except PermissionError as error:
            raise CopyDiffers("its owner or group could not be kept by this user") from error


def _set_attributes(write: FileWrite, target: int) -> None:
    """Give the copy permissions, attributes and times; each could undo those after it."""
    source, disk = write.source, write.source.disk
    # File systems without permissions object even to setting those they show.
    if os.fstat(target).st_mode != source.status.st_mode:
        disk.set_mode(target, source.status.st_mode & _PERMISSION_BITS)
    wanted, present = disk.attributes(source.descriptor), disk.attributes(target)
    for name, value in wanted.items():
        if name in _SIGNATURES or present.get(name) == value:
            continue
        try:
            disk.set_attribute(target, name, value)
        except PermissionError as error:
            reason = f"its extended attribute {name} could not be kept by this user"
            raise CopyDiffers(reason) from error
    if write.keep_mtime:
        disk.set_times(target, source.status.st_atime_ns, source.status.st_mtime_ns)


def remove_temporary(path: Path, descriptor: int, disk: DiskCalls) -> None:
    """Remove a temporary file; a failure to do so must not hide what went wrong before.

    By the descriptor it is found even if its folder was renamed since it was made.
    """
    try:
        disk.remove(path)
    except FileNotFoundError:
        with suppress(OSError):
            moved = Path(f"/proc/self/fd/{descriptor}").readlink()
            # The kernel shows another name for a file that is gone.
            if moved.name == path.name:
                disk.remove(moved)
    except BaseException as error:
        # A first failure may be temporary; after a second, clean-up at start takes over.
        with suppress(OSError):
            disk.remove(path)
        if not isinstance(error, OSError):
            raise
