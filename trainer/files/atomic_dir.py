"""Writing directories that appear whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from trainer.trainer_errors import BundleError


def write_files(destination: Path, content: dict[str, bytes]) -> None:
    """Write files into a new directory that appears whole or not at all, for its owner alone.

    Raises:
        BundleError: the place is taken or cannot be written.
    """
    if destination.exists():
        raise BundleError(f"{destination}: there is something already")
    try:
        beside, handle = _begun(destination)
    except OSError as error:
        raise BundleError(f"{destination}: cannot be written: {error.strerror}") from error
    try:
        for name, raw in content.items():
            descriptor = os.open(beside / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(raw)
                stream.flush()
                os.fsync(descriptor)
        sync_folder(beside)
        beside.rename(destination)
        sync_folder(destination.parent)
    except OSError as error:
        raise BundleError(f"{destination}: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        os.close(handle)


def remove_abandoned(folder: Path, named: str = ".*") -> None:
    """Remove directories that `write_files` began and a killed process left.

    Args:
        folder: where they are.
        named: pattern of their names, where the folder has other hidden ones.
    """
    for entry in folder.glob(named):
        if entry.is_symlink() or not entry.is_dir():
            continue
        handle = os.open(entry, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(entry, ignore_errors=True)
        except BlockingIOError:
            # Somebody is at it.
            continue
        finally:
            os.close(handle)


def _begun(destination: Path) -> tuple[Path, int]:
    """Make a directory beside a place, and hold a lock on it that ends with this process."""
    while True:
        beside = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", dir=destination.parent))
        handle = os.open(beside, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if beside.exists():
            return beside, handle
        # Taken for abandoned before it was locked.
        os.close(handle)


def sync_folder(directory: Path) -> None:
    """Make sure that what was renamed in a directory outlives a power cut."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
