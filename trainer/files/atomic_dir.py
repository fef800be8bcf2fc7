"""Writing directories that appear complete or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from trainer.trainer_errors import BundleError


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
