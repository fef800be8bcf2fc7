"""Finds symbolic links in watched folders, and watches their targets if the settings ask for it.

A sound is known by its real path only, so no link gives it a second name, and a tag write meets the
file, never the link. Links are searched for when a run or a scan starts.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.system.mounts import mount_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from config.settings import FolderSettings
    from daemon.watch.file_filter import FileFilter

log = logging.getLogger(__name__)

_NOT_FOR_FILES = frozenset(
    {"bpf", "cgroup", "cgroup2", "debugfs", "devpts", "devtmpfs", "proc", "sysfs", "tracefs"}
)


def links_below(folder: Path, file_filter: FileFilter) -> Iterator[Path]:
    """Yield the links below a folder that have an allowed name; unreadable folders are skipped."""
    for base, folders, files in os.walk(folder):
        folders[:] = filter(file_filter.allows_folder, folders)
        for name in (*folders, *filter(file_filter.allows_file, files)):
            if Path(base, name).is_symlink():
                yield Path(base, name)


def with_targets(
    folders: Sequence[FolderSettings], file_filter: FileFilter
) -> list[FolderSettings]:
    """Return folders, and the targets outside them of links inside, each as a folder of its own.

    A target has the settings of the folder that holds the link. Links in a target are followed,
    too. A link to nothing, in a circle, to a folder that holds a watched one, or to anything but a
    regular file or folder on a disk is logged and not followed.

    Args:
        folders: under their real paths.
        file_filter: which names count.
    """
    watched = list(folders)
    # The list grows during the loop: a target may hold links as well.
    for folder in watched:
        for link in links_below(folder.path, file_filter):
            try:
                target = _target(link, [known.path for known in watched])
            except OSError as error:
                log.warning("%s: this link is not followed: %s", link, error.strerror)
                continue
            if target is not None:
                log.info("%s: leads to %s, which is watched too", link, target)
                watched.append(folder.model_copy(update={"path": target}))
    return watched


def _target(link: Path, watched: Sequence[Path]) -> Path | None:
    """Return where a link leads; None if that is watched already.

    Raises:
        OSError: it leads nowhere, or must not be followed.
    """
    target = Path(os.path.realpath(link, strict=True))
    if any(map(target.is_relative_to, watched)):
        return None
    if any(folder.is_relative_to(target) for folder in watched):
        raise OSError(errno.ELOOP, f"{target} holds a folder that is watched")
    mode = target.stat().st_mode
    mount = mount_of(target)
    is_on_disk = mount is None or mount.kind not in _NOT_FOR_FILES
    if not is_on_disk or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, f"{target} is not a regular file or folder on a disk")
    return target
