"""Which folders the service's own unit keeps from it: those named since it was installed.

The unit sees the file system read-only, and what lies below `/home` and its like not at all, but
for the folders that `valenced install` opened. Nothing that runs inside can open another.
"""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daemon.install.units import is_hidden
from daemon.system.mounts import MOUNTS, mount_of

if TYPE_CHECKING:
    from collections.abc import Mapping

CLOSED: Final = "its unit does not let the service write here"
HIDDEN: Final = "its unit does not let the service see it"


def sandbox_problem(
    folder: Path,
    *,
    writes: bool,
    environ: Mapping[str, str] = os.environ,
    mounts: Path = MOUNTS,
) -> str | None:
    """Return in one line what keeps us from a folder, and what opens it; None if no unit does.

    Args:
        folder: under its real path.
        writes: whether tags are to be written there.
        environ: tells whether systemd started us.
        mounts: a file in the form of `/proc/self/mountinfo`.
    """
    system = mount_of(Path("/"), mounts)
    if "INVOCATION_ID" not in environ or system is None or not system.is_read_only:
        return None
    if is_hidden(folder) and not folder.exists():
        return _with_advice(HIDDEN)
    mount = mount_of(folder, mounts)
    # A disk that the operator made read-only is so as a whole, not only for us.
    if writes and mount is not None and mount.is_read_only and not mount.is_read_only_disk:
        return _with_advice(CLOSED)
    return None


def is_sandbox_problem(trouble: str | None) -> bool:
    """Tell whether a folder's trouble is one that was told here."""
    return trouble is not None and trouble.startswith((CLOSED, HIDDEN))


def _with_advice(wall: str) -> str:
    command = Path(sysconfig.get_path("scripts"), "valenced")
    return f"{wall}: sudo {command} install, then sudo systemctl restart valenced"
