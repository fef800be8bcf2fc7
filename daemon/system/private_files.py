"""Takes the rights of others from what this program keeps, where an earlier umask gave them any."""

from __future__ import annotations

import logging
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daemon.wording import counted
from trainer.bundles.installation_key import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

_OTHERS: Final = 0o077
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ENTRY: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def narrow_state(state: Path, catalogue: Path) -> None:
    """Give what is ours in the state directory, and the catalogue, to their owner alone.

    Links are not followed; what others own and files with a second name are left alone. Folders in
    the state directory are looked into only if it, or they, were open to others.

    Args:
        state: the state directory, which need not exist; left alone if another user owns it.
        catalogue: its file; the folder that it lies in may have other contents.
    """
    state = state.resolve()
    others = (catalogue.with_name(catalogue.name + end) for end in ("-wal", "-shm"))
    narrowed = sum(map(_narrow, (catalogue, *others, catalogue.with_suffix(".lock"))))
    with suppress(OSError), _opened(state) as handle:
        if os.fstat(handle).st_uid == os.geteuid():
            is_open = _narrow(state)
            narrowed += is_open + _narrow_below(handle, deep=is_open)
    if narrowed:
        log.warning(
            "%s: other users had access to %s of this service; now their owner alone has",
            state,
            counted(narrowed, "file or folder", "files and folders"),
        )


def _narrow_below(folder: int, *, deep: bool) -> int:
    """Narrow the contents of an opened folder; return how many were changed."""
    narrowed = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            # Who has read the key may know it for ever, so it is replaced instead.
            if status.st_uid != os.geteuid() or entry.name == KEY:
                continue
            was_open = bool(status.st_mode & _OTHERS) and _narrow(entry.name, folder)
            narrowed += was_open
            if stat.S_ISDIR(status.st_mode) and (deep or was_open):
                with suppress(OSError), _opened(entry.name, folder) as below:
                    narrowed += _narrow_below(below, deep=True)
    return narrowed


def _narrow(name: Path | str, folder: int | None = None) -> bool:
    """Take the rights of others from a file or folder of ours; return whether they had any."""
    try:
        descriptor = os.open(name, _ENTRY, dir_fd=folder)
    except OSError:
        return False
    try:
        status = os.fstat(descriptor)
        is_file = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        is_ours = status.st_uid == os.geteuid() and (is_file or stat.S_ISDIR(status.st_mode))
        if not is_ours or not status.st_mode & _OTHERS:
            return False
        # The only way to change what O_PATH has opened: it leads to the very file, not to a name.
        Path(f"/proc/self/fd/{descriptor}").chmod(stat.S_IMODE(status.st_mode) & ~_OTHERS)
    except OSError:
        # A disk without modes, or mounted read-only.
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def _opened(name: Path | str, folder: int | None = None) -> Iterator[int]:
    handle = os.open(name, _FOLDER, dir_fd=folder)
    try:
        yield handle
    finally:
        os.close(handle)
