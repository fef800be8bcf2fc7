"""Finds watched folders that the systemd unit does not let the service read or write.

In the unit's sandbox the file system is read-only, and `/home` and its like are hidden, except for
the folders that `valenced install` opened. So a folder named since then is closed, and nothing that
runs inside can open it.
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

CLOSED: Final = "write-protected from the service by its systemd unit"
HIDDEN: Final = "hidden from the service by its systemd unit"


def sandbox_problem(
    folder: Path, *, writes: bool, environ: Mapping[str, str] = os.environ, mounts: Path = MOUNTS
) -> str | None:
    """Return in one line how the unit restricts a folder, and what opens it; None if it does not.

    Args:
        folder: under its real path.
        writes: whether tags are to be written there.
        environ: shows whether systemd started this process.
        mounts: as `/proc/self/mountinfo`.
    """
    system = mount_of(Path("/"), mounts)
    if "INVOCATION_ID" not in environ or system is None or not system.is_read_only:
        return None
    if is_hidden(folder) and not folder.exists():
        return _with_advice(HIDDEN)
    mount = mount_of(folder, mounts)
    # If the operator mounted the whole disk read-only, the unit is not the cause.
    if writes and mount is not None and mount.is_read_only and not mount.is_read_only_disk:
        return _with_advice(CLOSED)
    return None


def is_sandbox_problem(trouble: str | None) -> bool:
    """Whether a folder's trouble was found by `sandbox_problem`."""
    return trouble is not None and trouble.startswith((CLOSED, HIDDEN))


def _with_advice(problem: str) -> str:
    command = Path(sysconfig.get_path("scripts"), "valenced")
    return f"{problem}: sudo {command} install, then sudo systemctl restart valenced"
