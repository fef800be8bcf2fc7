"""Symbolic links in watched folders: their targets are watched like folders of their own, if asked.

A sound is always known by its real path, so no link can name it twice, and a tag write meets the
file, never the link. Links are looked for when a run or a scan starts.
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


def links_below(folder: Path, admission: FileFilter) -> Iterator[Path]:
    """Yield the links below a folder that are named like a folder or a sound that counts.

    A link is not entered; what cannot be listed is passed by.
    """
    for base, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if admission.enters(name)]
        for name in folders:
            if Path(base, name).is_symlink():
                yield Path(base, name)
        for name in files:
            if admission.admits(name) and Path(base, name).is_symlink():
                yield Path(base, name)


def with_targets(folders: Sequence[FolderSettings], admission: FileFilter) -> list[FolderSettings]:
    """Return some folders and, each as one of its own, what links in them lead to outside.

    What a link leads to has the settings of the folder that the link is in. Links in there are
    followed too. A link that leads to nothing, in a circle, to a folder that holds a watched one,
    or to no file or folder of a disk is left alone and named in the log.

    Args:
        folders: under their real paths.
        admission: which names count.
    """
    watched = list(folders)
    # The list grows while it is gone through: a target may hold links as well.
    for folder in watched:
        for link in links_below(folder.path, admission):
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
        OSError: it leads nowhere, or where it must not be followed.
    """
    target = Path(os.path.realpath(link, strict=True))
    if any(target.is_relative_to(folder) for folder in watched):
        return None
    if any(folder.is_relative_to(target) for folder in watched):
        raise OSError(errno.ELOOP, f"{target} holds a folder that is watched")
    mode = target.stat().st_mode
    mount = mount_of(target)
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or (
        mount is not None and mount.kind in _NOT_FOR_FILES
    ):
        raise OSError(errno.EINVAL, f"{target} is no file or folder of a disk")
    return target
