"""A proven copy of a file with other tags, which replaces the original in one step."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.basics.byte_views import OpenFile
from daemon.tagging.basics.tag_errors import TagsRefused
from daemon.tagging.disk.guard import Guard
from daemon.tagging.disk.source import OriginalChanged
from daemon.tagging.disk.temporary import temporary
from storage.schema.records import BegunWrite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from daemon.tagging.basics.byte_views import Assembled
    from daemon.tagging.disk.source import SourceFile
    from daemon.tagging.disk.temporary import Temporary
    from storage.begun_writes import BegunWrites

# Signatures over the content, set by the kernel or a policy module; copied, they would be wrong.
_SIGNATURES = {"security.ima", "security.evm"}
# What would let a file run with other rights is not given to new content.
_PRIVILEGES = {"security.capability"}
_CHUNK = 1 << 20
_PERMISSION_BITS = 0o7777 & ~(stat.S_ISUID | stat.S_ISGID)


class CopyDiffers(TagsRefused):
    """A copy cannot have all that the original has; writing into the original keeps it."""


class Copy:
    """A complete copy.

    Attributes:
        path: where it is, as far as anybody knows.
        descriptor: open for reading and writing.
        view: its bytes.
        audio_hash: of all its audio packets; who proves the copy sets it.
    """

    def __init__(self, folder: Path, file: Temporary) -> None:
        assert file.name is not None
        self.path = folder / file.name
        self.descriptor = file.descriptor
        self.view = OpenFile(file.descriptor)
        self.audio_hash = ""
        self.file = file


@dataclass(frozen=True)
class FileWrite:
    """A write to carry out.

    Attributes:
        source: the original.
        content: the bytes of the copy, made of those of the original.
        complete: proves the copy; raises to stop the write.
        keep_mtime: whether the original's times stay.
        begun: where a write is noted before the file is touched; without it, nothing is written
            in place.
        way_back: returns how to make the original of the copy, as text; None if that is too long.
    """

    source: SourceFile
    content: Assembled
    complete: Callable[[Copy], None]
    keep_mtime: bool = False
    begun: BegunWrites | None = None
    way_back: Callable[[Copy], str | None] = lambda _: None


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
    source, disk = write.source, write.source.disk
    with temporary(source.folder, disk) as file:
        if owned:
            _set_owner(write, file.descriptor)
        _fill(write, file.descriptor)
        copy = Copy(source.path.parent, file)
        write.complete(copy)
        yield copy


def replace(write: FileWrite) -> FinishedWrite:
    """Replace the original by a copy with its owner, permissions and attributes.

    Raises:
        OriginalChanged: another program has changed it meanwhile, or is writing it.
        CopyDiffers: the copy could not be given what the original has.
        TagsRefused: it cannot be known whether a program is writing it.
        OSError: the system refused; the original is as it was.
    """
    source, disk = write.source, write.source.disk
    with Guard(source) as guard, verified_copy(write, owned=True) as copy:
        _set_attributes(write, copy.descriptor)
        disk.sync(copy.descriptor)
        status = os.fstat(copy.descriptor)
        guard.require_unchanged()
        # For a moment the original has our temporary name; clean-up must not remove it then.
        if not disk.try_lock(source.descriptor):
            raise OriginalChanged
        with _noted(write, copy):
            warning = copy.file.replace(
                source.path.name, lambda name: source.has_become(name) and guard.holds()
            )
        return FinishedWrite(_after_renaming(status, os.fstat(copy.descriptor)), warning)


@contextmanager
def _noted(write: FileWrite, copy: Copy) -> Iterator[None]:
    """Let the catalogue know during a block that the copy's name may be that of the original."""
    name, begun = copy.file.name, write.begun
    assert name is not None
    if begun is not None:
        original = digest_of(write.source.descriptor)
        begun.keep(dataclasses.replace(note_of(write, copy, name), digest=original))
    try:
        yield
    finally:
        copy.file.discard()
        if begun is not None and copy.file.is_gone:
            begun.finish(name)


def note_of(write: FileWrite, copy: Copy, name: str) -> BegunWrite:
    """Return what the catalogue is to know of a write, under a name of its copy."""
    made, status = os.fstat(copy.descriptor), write.source.status
    original = (write.source.path, status.st_dev, status.st_ino)
    numbers = (made.st_ino, made.st_size, made.st_uid)
    return BegunWrite(name, *original, *numbers, copy.audio_hash, write.way_back(copy))


def digest_of(descriptor: int) -> str:
    """Return a digest of all bytes of an open file.

    Raises:
        OSError: it cannot be read.
    """
    view, digest = OpenFile(descriptor), hashlib.sha256()
    for at in range(0, view.size, _CHUNK):
        digest.update(view.read(at, _CHUNK))
    return digest.hexdigest()


def _after_renaming(before: os.stat_result, after: os.stat_result) -> os.stat_result:
    """Return the status with the change time of our own renaming, but with no change of others."""
    is_ours = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return after if is_ours else before


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
    mode = source.status.st_mode & _PERMISSION_BITS
    if stat.S_IMODE(os.fstat(target).st_mode) != mode:
        disk.set_mode(target, mode)
    wanted, present = disk.attributes(source.descriptor), disk.attributes(target)
    for name, value in wanted.items():
        if name in _SIGNATURES | _PRIVILEGES or present.get(name) == value:
            continue
        try:
            disk.set_attribute(target, name, value)
        except PermissionError as error:
            reason = f"its extended attribute {name} could not be kept by this user"
            raise CopyDiffers(reason) from error
    if write.keep_mtime:
        disk.set_times(target, source.status.st_atime_ns, source.status.st_mtime_ns)
