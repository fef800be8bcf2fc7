"""Tag items in a JSON file next to the sound, for users whose sound files must not change.

`{"format": 1, "file": NAME, "items": {KEY: [VALUE, …]}}`, named after the sound with
`.valenced.json` added. Names that are not UTF-8 are escaped as JSON escapes lone surrogates.

When a sound is renamed, its sidecar is written again next to the new name and the old one is
removed. When a sound is deleted, its sidecar stays, as the sound may come back.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.basics.tag_errors import TagsRefused
from daemon.tagging.disk import temp_names
from daemon.tagging.disk.source import OriginalChanged
from daemon.tagging.disk.temporary import temporary

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.tagging.basics.keys import Items
    from daemon.tagging.disk.source import SourceFile
    from daemon.tagging.disk.syscalls import DiskCalls

FORMAT = 1
_LARGEST = 1 << 20
_READABLE = 0o644


class Sidecar(NamedTuple):
    """The content of a sidecar.

    Attributes:
        file: name of the sound when it was written.
        items: ours.
        status: of the sidecar.
    """

    file: str
    items: Items
    status: os.stat_result


def read_sidecar(sound: SourceFile) -> Sidecar | None:
    """Return the sidecar of a sound; None if there is none.

    Raises:
        TagsRefused: something else than a sidecar of ours has its name.
        OSError: it cannot be read.
    """
    return _read(sound.folder, temp_names.sidecar_of(sound.path).name, sound.disk)


def _read(folder: int, name: str, disk: DiskCalls) -> Sidecar | None:
    try:
        with open(disk.open_to_read(folder, name), "rb") as file:  # noqa: PTH123 - no path
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _not_ours(name)
            record = json.loads(file.read(_LARGEST))
        if record["format"] != FORMAT:
            raise _not_ours(name)
        items = {key: [str(value) for value in values] for key, values in record["items"].items()}
        return Sidecar(str(record["file"]), items, status)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _not_ours(name) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            # The sound's own name fits, but nothing can have this one.
            return None
        if error.errno == errno.ELOOP:
            raise _not_ours(name) from error
        raise


def _not_ours(name: str) -> TagsRefused:
    return TagsRefused(f"{name} is not a valenced sidecar; move it away")


def _remove(folder: int, name: str, disk: DiskCalls) -> None:
    disk.remove(folder, name)
    disk.sync_folder(folder)


def discard_stale(sound: Path, disk: DiskCalls) -> bool:
    """Remove the sidecar of a sound that has another name now; return whether there was one.

    Only a sidecar that we wrote for this very name is removed.

    Raises:
        TagsRefused: something else than a sidecar of ours has its name.
        OSError: the system refused.
    """
    name = temp_names.sidecar_of(sound).name
    folder = disk.open_folder(sound.parent)
    try:
        sidecar = _read(folder, name, disk)
        if sidecar is None or sidecar.file != sound.name:
            return False
        _remove(folder, name, disk)
    finally:
        os.close(folder)
    return True


def remove_sidecar(sound: SourceFile, *, dry_run: bool) -> Items:
    """Remove the sidecar of a sound, and return what was in it; nothing of others is touched.

    Raises:
        OSError: the system refused.
    """
    with suppress(TagsRefused):
        sidecar = read_sidecar(sound)
        if sidecar is not None:
            if not dry_run:
                _remove(sound.folder, temp_names.sidecar_of(sound.path).name, sound.disk)
            return sidecar.items
    return {}


def write_sidecar(sound: SourceFile, items: Items, earlier: Sidecar | None) -> None:
    """Write the items next to a sound.

    Args:
        sound: the sound.
        items: ours.
        earlier: the sidecar that `read_sidecar` returned; nothing else is replaced.

    Raises:
        TagsRefused: something else has its name by now.
        OSError: the system refused; an earlier sidecar is as it was.
    """
    name, disk = temp_names.sidecar_of(sound.path).name, sound.disk
    record = {"format": FORMAT, "file": sound.path.name, "items": items}
    with temporary(sound.folder, disk) as file:
        disk.write(file.descriptor, json.dumps(record, indent=1).encode() + b"\n", 0)
        disk.set_mode(file.descriptor, _READABLE)
        disk.sync(file.descriptor)
        try:
            if earlier is None:
                file.rename_to_free(name)
                file.is_kept = True
                disk.sync_folder(sound.folder)
            else:
                was = (earlier.status.st_dev, earlier.status.st_ino)
                file.replace(name, lambda now: _identity(sound, now) == was)
        except (FileExistsError, OriginalChanged) as error:
            raise _not_ours(name) from error


def _identity(sound: SourceFile, name: str) -> tuple[int, int] | None:
    there = sound.disk.status_of(sound.folder, name)
    return there and (there.st_dev, there.st_ino)
