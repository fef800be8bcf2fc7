"""Small real disks, and what happens to disks: full, read-only, cut off from their power."""

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
UNMOUNTED_WITHIN_S = 60.0
LOOK_S = 0.05
# From linux/ext4.h: all that is not on the medium yet is lost, all that is asked for fails.
_SHUTDOWN, _WITHOUT_LOG = 0x8004587D, 2


class NoDisk(Exception):
    """Nothing can be mounted here: not root, or a container that forbids it."""


class Disk(Protocol):
    """A disk that something can happen to."""

    def strike(self) -> bool:
        """Let it happen; False if it cannot happen in this moment."""

    def hold(self) -> None:
        """See to it that it lasts; called again and again."""

    def mend(self) -> None:
        """Let all be well again."""


class Full:
    """A disk without a free byte; also what is freed meanwhile is taken."""

    def __init__(self, point: Path) -> None:
        self._ballast = point / BALLAST

    def strike(self) -> bool:
        self.hold()
        return True

    def hold(self) -> None:
        with self._ballast.open("ab", buffering=0) as ballast:
            for piece in (1 << 20, 1 << 12):
                with suppress(OSError):
                    while True:
                        ballast.write(bytes(piece))

    def mend(self) -> None:
        self._ballast.unlink(missing_ok=True)


class ReadOnly:
    """A disk that may only be read, from one moment to the next."""

    def __init__(self, point: Path) -> None:
        self._point = point

    def strike(self) -> bool:
        # Refused while anything is open for writing.
        return not _run("mount", "-o", "remount,ro", self._point)

    def hold(self) -> None:
        pass

    def mend(self) -> None:
        assert not _run("mount", "-o", "remount,rw", self._point)


class PowerCut:
    """A disk that loses its power, and all that was not on the medium, and later gets it back."""

    def __init__(self, point: Path) -> None:
        self._point = point

    def strike(self) -> bool:
        descriptor = os.open(self._point, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _WITHOUT_LOG))
        finally:
            os.close(descriptor)
        return True

    def hold(self) -> None:
        pass

    def mend(self) -> None:
        until = time.monotonic() + UNMOUNTED_WITHIN_S
        while _run("umount", self._point):
            assert time.monotonic() < until, f"{self._point} stays busy"
            time.sleep(LOOK_S)
        assert not _run("mount", "-o", "loop", image_of(self._point), self._point)


def image_of(point: Path) -> Path:
    """Return the file that is the medium of the disk at a mount point."""
    return point.with_name(f"{point.name}.ext4")


@contextmanager
def memory_disk(point: Path, options: str) -> Iterator[None]:
    """Mount a disk in memory for the time of a block.

    Raises:
        NoDisk: that is not possible here.
    """
    with _mounted(point, "-t", "tmpfs", "-o", options, "none"):
        yield


@contextmanager
def journalling_disk(point: Path, size: int) -> Iterator[None]:
    """Mount an ext4 of some bytes in a file for the time of a block.

    Raises:
        NoDisk: that is not possible here.
    """
    image = image_of(point)
    with image.open("wb") as file:
        file.truncate(size)
    if _run("mkfs.ext4", "-q", image):
        raise NoDisk("mkfs.ext4 does not work here")
    with _mounted(point, "-o", "loop", image):
        # Others keep their files there, and it is not theirs to be lost.
        (point / "lost+found").rmdir()
        yield


@contextmanager
def _mounted(point: Path, *what: str | Path) -> Iterator[None]:
    point.mkdir(exist_ok=True)
    if os.geteuid() or _run("mount", *what, point):
        raise NoDisk("only root may mount a disk, and not in every container")
    try:
        yield
    finally:
        _run("umount", "--lazy", point)


def _run(*line: str | Path) -> int:
    try:
        return subprocess.run(line, capture_output=True, check=False).returncode
    except FileNotFoundError:
        return errno.ENOENT
