"""Writing directories and files that appear complete or not at all."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.trainer_errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable


def write_files(destination: Path, content: dict[str, bytes]) -> None:
    """Write files into a new directory for its owner alone, which appears complete or not at all.

    Raises:
        BundleError: the destination exists or cannot be written.
    """
    if destination.exists():
        raise BundleError(f"{destination}: exists already")
    try:
        temporary, lock = _make_temporary(destination)
    except OSError as error:
        raise BundleError(f"{destination}: cannot be written: {error.strerror}") from error
    try:
        for name, raw in content.items():
            descriptor = os.open(temporary / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(raw)
                stream.flush()
                os.fsync(descriptor)
        sync_folder(temporary)
        temporary.rename(destination)
        sync_folder(destination.parent)
    except OSError as error:
        raise BundleError(f"{destination}: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(lock)


def remove_abandoned(folder: Path, pattern: str = ".*") -> None:
    """Remove temporary directories of `write_files` that a killed process left in a folder.

    Args:
        folder: the parent of the destinations.
        pattern: of their names, where the folder has other hidden ones.
    """
    for entry in folder.glob(pattern):
        if entry.is_symlink() or not entry.is_dir():
            continue
        lock = os.open(entry, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(entry, ignore_errors=True)
        except BlockingIOError:
            # Its writer is still at work.
            continue
        finally:
            os.close(lock)


def replace_file(path: Path, make: Callable[[Path], object]) -> None:
    """Replace a file or link in one step by what `make` makes at a temporary path.

    Raises:
        BundleError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        make(temporary)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise BundleError(f"{path}: cannot be written: {error.strerror}") from error


def sync_folder(directory: Path) -> None:
    """Make sure that a rename in a directory survives a power cut."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_temporary(destination: Path) -> tuple[Path, int]:
    """Make a directory next to the destination, under a lock that ends with this process."""
    while True:
        temporary = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", dir=destination.parent))
        lock = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if temporary.exists():
            return temporary, lock
        # `remove_abandoned` removed it before it was locked.
        os.close(lock)
