"""Reading files only if nobody else could have written them.

Unpickling runs whatever code the pickle names. So before a byte of a bundle is used, its files,
their directory and the directories above must belong to us or to root, and be closed to other
writers. What is checked is the open file, and the bytes read from it are the bytes that are used:
nothing can be exchanged between check and use.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from trainer.trainer_errors import BundleCorrupt, BundleMissing, BundleUntrusted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_FILE_BYTES: Final = 256 * 1024 * 1024
"""No file of a bundle is larger; a larger one is not read into memory."""

_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


def read_files(
    directory: Path, names: Sequence[str], *, guarded: bool, optional: Sequence[str] = ()
) -> dict[str, bytes]:
    """Read files of one directory, each opened once and without following links.

    Args:
        directory: the directory; links on the way to it are resolved first.
        names: plain file names in it.
        optional: further names, left out of the result where there is no such file.
        guarded: whether to require that nobody else could have written them. Not needed for what
            ships inside the package: who can write there can change this code.

    Returns:
        The bytes under each name.

    Raises:
        BundleMissing: the directory does not exist.
        BundleCorrupt: a file is absent, is no regular file, or cannot be read.
        BundleUntrusted: someone else owns, or may write to, a file or a directory on the way.
    """
    try:
        resolved = directory.resolve(strict=True)
        handle = os.open(resolved, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (OSError, RuntimeError) as error:
        raise BundleMissing(
            f"{directory}: no bundle there; valenced bundles list shows all"
        ) from error
    try:
        if guarded:
            _require_closed(resolved, os.fstat(handle))
            for parent in resolved.parents:
                _require_closed_parent(parent, parent.lstat())
        found = [*names, *(name for name in optional if _exists(name, handle))]
        return {name: _read(resolved, handle, name, guarded=guarded) for name in found}
    finally:
        os.close(handle)


def _exists(name: str, handle: int) -> bool:
    try:
        os.stat(name, dir_fd=handle, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _read(directory: Path, handle: int, name: str, *, guarded: bool) -> bytes:
    path = directory / name
    try:
        # Not blocking: a named pipe put in place of a file must not hang the service.
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=handle)
    except OSError as error:
        raise BundleCorrupt(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BundleCorrupt(f"{path}: not a regular file")
        if guarded:
            _require_closed(path, status)
        if status.st_size > MAX_FILE_BYTES:
            raise BundleCorrupt(f"{path}: {status.st_size} bytes is more than any bundle holds")
        with open(descriptor, "rb", closefd=False) as stream:
            return stream.read(MAX_FILE_BYTES)
    except OSError as error:
        raise BundleCorrupt(f"{path}: cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _require_closed(path: Path, status: os.stat_result, harm: str = "", allowed: int = 0) -> None:
    if status.st_uid not in {0, os.geteuid()}:
        raise BundleUntrusted(
            f"{path}: belongs to user {status.st_uid}, not to this user or root{harm}"
        )
    if status.st_mode & _WRITABLE_BY_OTHERS & ~allowed:
        mode = stat.S_IMODE(status.st_mode)
        raise BundleUntrusted(f"{path}: others may write to it (mode {mode:04o}){harm}; chmod go-w")


def _require_closed_parent(path: Path, status: os.stat_result) -> None:
    """Refuse a directory in which someone else could replace the directory below it.

    A sticky directory such as ``/tmp`` forbids that by itself. A directory that we own and that is
    writable for our own group is accepted: where each user has a group of his own, the usual umask
    makes every directory so, and what is put there still has to belong to us.
    """
    if status.st_mode & stat.S_ISVTX and status.st_uid == 0:
        return
    own_group = status.st_uid == os.geteuid() and status.st_gid == os.getegid()
    harm = ", so others could exchange the bundles below it"
    _require_closed(path, status, harm, stat.S_IWGRP if own_group else 0)
