"""Mounts small real disks, and makes them fail: full, read-only, or cut off from power."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BALLAST = "ballast"
UNMOUNTED_WITHIN_S = 120.0
POLL_S = 0.05
# From linux/ext4.h: what has not reached the medium is lost, and every later call fails.
_SHUTDOWN, _WITHOUT_LOG = 0x8004587D, 2


class NoDisk(Exception):
    """Nothing can be mounted here: not root, or a container that forbids it."""


class FailingDisk(Protocol):
    """A disk that can be made to fail, and to work again."""

    def fail(self) -> bool:
        """Start the failure; return False if that is impossible at this moment."""

    def keep_failing(self) -> None:
        """Keep up the failure; called repeatedly while it lasts."""

    def repair(self) -> None:
        """End the failure."""


class Full:
    """A disk without a free byte; bytes that are freed meanwhile are taken, too."""

    def __init__(self, point: Path) -> None:
        self._ballast = point / BALLAST

    def fail(self) -> bool:
        self.keep_failing()
        return True

    def keep_failing(self) -> None:
        with self._ballast.open("ab", buffering=0) as ballast:
            for block in (1 << 20, 1 << 12):
                with suppress(OSError):
                    while True:
                        ballast.write(bytes(block))

    def repair(self) -> None:
        self._ballast.unlink(missing_ok=True)


class ReadOnly:
    """A disk that suddenly becomes read-only."""

    def __init__(self, point: Path) -> None:
        self._point = point

    def fail(self) -> bool:
        # Refused while anything is open for writing.
        return not _run("mount", "-o", "remount,ro", self._point)

    def keep_failing(self) -> None:
        pass

    def repair(self) -> None:
        assert not _run("mount", "-o", "remount,rw", self._point)


class PowerCut:
    """A disk that loses its power, and with it all that had not reached the medium."""

    def __init__(self, point: Path) -> None:
        self._point = point

    def fail(self) -> bool:
        descriptor = os.open(self._point, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _WITHOUT_LOG))
        finally:
            os.close(descriptor)
        return True

    def keep_failing(self) -> None:
        pass

    def repair(self) -> None:
        until = time.monotonic() + UNMOUNTED_WITHIN_S
        while _run("umount", self._point):
            assert time.monotonic() < until, f"{self._point} cannot be unmounted: it stays busy"
            time.sleep(POLL_S)
        assert not _run("mount", "-o", "loop", image_of(self._point), self._point)


def image_of(point: Path) -> Path:
    """Return the image file behind the disk at a mount point."""
    return point.with_name(f"{point.name}.ext4")


@contextmanager
def memory_disk(point: Path, options: str) -> Iterator[None]:
    """Mount a disk in memory within a `with` block.

    Raises:
        NoDisk: nothing can be mounted here.
    """
    with _mounted(point, "-t", "tmpfs", "-o", options, "none"):
        yield


@contextmanager
def journalling_disk(point: Path, size: int) -> Iterator[None]:
    """Mount an ext4 file system of `size` bytes within a `with` block.

    Raises:
        NoDisk: nothing can be mounted here.
    """
    image = image_of(point)
    with image.open("wb") as file:
        file.truncate(size)
    if _run("mkfs.ext4", "-q", image):
        raise NoDisk("mkfs.ext4 is missing or fails here")
    with _mounted(point, "-o", "loop", image):
        # The checks expect only files that the run itself wrote.
        (point / "lost+found").rmdir()
        yield


@contextmanager
def _mounted(point: Path, *options: str | Path) -> Iterator[None]:
    point.mkdir(exist_ok=True)
    if os.geteuid() or _run("mount", *options, point):
        raise NoDisk("mounting a disk needs root, and a container that allows it")
    try:
        yield
    finally:
        _run("umount", "--lazy", point)


def _run(*line: str | Path) -> int:
    try:
        return subprocess.run(line, capture_output=True, check=False).returncode
    except FileNotFoundError:
        return errno.ENOENT
