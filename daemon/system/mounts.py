"""Mounted file systems, as listed in `/proc/self/mountinfo`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MOUNTS = Path("/proc/self/mountinfo")

# Changes by another machine, or behind the kernel's back, give no events on these.
_SILENT = re.compile(
    "9p|afs|ceph|cifs|coda|davfs|fuse.*|glusterfs|lustre|ncpfs|nfs4?|orangefs|prl_fs|smb3|smbfs"
    "|vboxsf|virtiofs|vmhgfs"
)


@dataclass(frozen=True)
class Mount:
    """A mounted file system.

    Attributes:
        point: where it is mounted.
        kind: its type, such as `ext4`, `nfs4`, `fuse.sshfs`.
        device: major and minor number, such as `8:1`.
        is_read_only: whether it is read-only at this point.
        is_read_only_disk: whether it is read-only wherever it is mounted.
    """

    point: Path
    kind: str
    device: str
    is_read_only: bool = False
    is_read_only_disk: bool = False

    @property
    def is_silent(self) -> bool:
        """Tell whether changes on it may come without events."""
        return _SILENT.fullmatch(self.kind) is not None


def is_read_only(path: Path) -> bool:
    """Tell whether the file system of a path is read-only; False where that is unknown."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def mount_of(path: Path, mounts: Path = MOUNTS) -> Mount | None:
    """Return the mount that a path lies on, None where that is unknown.

    Args:
        path: an absolute path; it need not exist.
        mounts: a file in the form of `/proc/self/mountinfo`.
    """
    found = [mount for mount in _listed(mounts) if path.is_relative_to(mount.point)]
    # Of two on one point, the later hides the earlier.
    return max(reversed(found), key=lambda mount: len(mount.point.parts), default=None)


def mounts_below(folders: Sequence[Path], mounts: Path = MOUNTS) -> dict[Path, str]:
    """Return the mount points inside folders, each with its device; none where that is unknown."""
    return {
        mount.point: mount.device
        for mount in _listed(mounts)
        # The automounter stays on its mount point also while the disk is away.
        if mount.kind != "autofs"
        and any(mount.point != folder and mount.point.is_relative_to(folder) for folder in folders)
    }


def _listed(mounts: Path) -> list[Mount]:
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    return [mount for mount in map(_parsed, lines) if mount]


def _parsed(line: str) -> Mount | None:
    before, dash, after = line.partition(" - ")
    fields = before.split(" ")
    if not dash or len(fields) < 6:  # noqa: PLR2004 - the sixth are the options
        return None
    kind, _, of_disk = after.partition(" ")
    here, disk = (options.split(",") for options in (*fields[5:6], of_disk.rpartition(" ")[2]))
    return Mount(Path(_unescaped(fields[4])), kind, fields[2], "ro" in here, "ro" in disk)


def _unescaped(text: str) -> str:
    """Decode the octal escapes by which the kernel writes spaces and line ends."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
