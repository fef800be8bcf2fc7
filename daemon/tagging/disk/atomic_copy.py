"""A verified copy of a file with other tags, put in the original's place by one rename."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.disk import temp_names
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.tagging.disk.source import SourceFile
    from daemon.tagging.disk.syscalls import DiskCalls
    from daemon.tagging.formats.byte_views import Assembled

# A kernel or policy module seals the content itself into these; copied, they would be wrong.
_SEALS = {"security.ima", "security.evm"}
_PERMISSION_BITS = 0o7777


class Unlike(TagsRefused):
    """A copy cannot have all that the original has; writing into the original keeps it."""


class Changed(Exception):
    """The original changed while its copy was made; it was left as it is now."""


@dataclass
class Copy:
    """A complete copy; `path` is None once it no longer shall be removed."""

    path: Path | None
    descriptor: int


class Landed(NamedTuple):
    """A write that is done.

    Attributes:
        status: of the file as we left it; whatever differs from it later was not us.
        warning: one line, although the file is written; None almost always.
    """

    status: os.stat_result
    warning: str | None = None


@contextmanager
def verified_copy(
    source: SourceFile,
    content: Assembled,
    complete: Callable[[Copy], None],
    disk: DiskCalls,
    *,
    owned: bool = False,
) -> Iterator[Copy]:
    """Hold a temporary copy with the edits made; it is removed in the end, whatever happens.

    Args:
        source: the original, only read.
        content: the bytes of the copy, made of those of the original.
        complete: edits the copy further and proves it; raises to stop the write.
        disk: does the system calls.
        owned: give it the original's owner and group, before any byte is copied in vain.

    Raises:
        Unlike: this user may not give the copy its owner.
        OSError: the copy could not be made.
    """
    path = temp_names.new_temporary(source.path.parent)
    descriptor = disk.create(path)
    copy = Copy(path, descriptor)
    try:
        # The lock tells clean-up that somebody is still at work here.
        disk.try_lock(descriptor)
        if owned:
            _give(source, descriptor, disk)
        _fill(source, content, descriptor, disk)
        complete(copy)
        yield copy
    finally:
        if copy.path is not None:
            forget(copy.path, descriptor, disk)
        os.close(descriptor)


def replace(
    source: SourceFile,
    content: Assembled,
    complete: Callable[[Copy], None],
    disk: DiskCalls,
    *,
    keep_mtime: bool,
) -> Landed:
    """Let a verified copy take the original's place, with its owner, permissions and attributes.

    Args:
        source: the original.
        content: the bytes of the copy, made of those of the original.
        complete: edits the copy further and proves it; raises to stop the write.
        disk: does the system calls.
        keep_mtime: keep the original's times too.

    Raises:
        Changed: the original changed meanwhile.
        Unlike: the copy could not be given what the original has.
        OSError: the system objected; the original is as it was.
    """
    with verified_copy(source, content, complete, disk, owned=True) as copy:
        assert copy.path is not None
        _dress(source, copy.descriptor, disk, keep_mtime=keep_mtime)
        disk.sync(copy.descriptor)
        status = os.fstat(copy.descriptor)
        if not source.unchanged():
            raise Changed
        disk.rename(copy.path, source.path)
        copy.path = None
    try:
        disk.sync_folder(source.path.parent)
    except OSError as error:
        return Landed(status, f"written, but its folder could not be synced ({error.strerror})")
    return Landed(status)


def _fill(source: SourceFile, content: Assembled, target: int, disk: DiskCalls) -> None:
    cloned = disk.clone(source.descriptor, target)
    at = 0
    for piece in content.pieces:
        if isinstance(piece, bytes):
            disk.write(target, piece, at)
            at += len(piece)
        else:
            if not (cloned and piece.offset == at):
                disk.copy_range(source.descriptor, target, piece.offset, at, piece.length)
            at += piece.length
    if cloned:
        disk.cut(target, content.size)


def _give(source: SourceFile, target: int, disk: DiskCalls) -> None:
    was, now = source.status, os.fstat(target)
    if (was.st_uid, was.st_gid) != (now.st_uid, now.st_gid):
        try:
            disk.give(target, was.st_uid, was.st_gid)
        except PermissionError as error:
            raise Unlike("its owner or group could not be kept by this user") from error


def _dress(source: SourceFile, target: int, disk: DiskCalls, *, keep_mtime: bool) -> None:
    """Give the copy permissions, attributes and times; each could undo those after it."""
    was = source.status
    # File systems without permissions object even to setting those they show.
    if os.fstat(target).st_mode != was.st_mode:
        disk.allow(target, was.st_mode & _PERMISSION_BITS)
    wanted, present = disk.attributes(source.descriptor), disk.attributes(target)
    for name, value in wanted.items():
        if name in _SEALS or present.get(name) == value:
            continue
        try:
            disk.set_attribute(target, name, value)
        except PermissionError as error:
            reason = f"its extended attribute {name} could not be kept by this user"
            raise Unlike(reason) from error
    if keep_mtime:
        disk.set_times(target, was.st_atime_ns, was.st_mtime_ns)


def forget(copy: Path, descriptor: int, disk: DiskCalls) -> None:
    """Remove a temporary file; a failure to do so must not hide what went wrong before.

    Args:
        copy: its name when it was made.
        descriptor: open on it, by which it is found if its folder was renamed since.
        disk: does the system calls.
    """
    try:
        disk.remove(copy)
    except FileNotFoundError:
        with suppress(OSError):
            moved = Path(f"/proc/self/fd/{descriptor}").readlink()
            # The kernel tells another name of a file that is gone.
            if moved.name == copy.name:
                disk.remove(moved)
    except BaseException as error:
        # A first failure may be passing; after a second, clean-up at start takes over.
        with suppress(OSError):
            disk.remove(copy)
        if not isinstance(error, OSError):
            raise
