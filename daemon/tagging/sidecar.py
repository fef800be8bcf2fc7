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
from typing import TYPE_CHECKING, NamedTuple

from daemon.tagging.disk import temp_names
from daemon.tagging.disk.atomic_copy import remove_temporary
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.tagging.disk.syscalls import DiskCalls
    from daemon.tagging.formats.keys import Items

FORMAT = 1
_LARGEST = 1 << 20
_READABLE = 0o644


class Sidecar(NamedTuple):
    """The content of a sidecar.

    Attributes:
        file: name of the sound when it was written.
        items: ours.
    """

    file: str
    items: Items


def read_sidecar(sound: Path, disk: DiskCalls) -> Sidecar | None:
    """Return the sidecar of a sound; None if there is none.

    Raises:
        TagsRefused: something else than a sidecar of ours has its name.
        OSError: it cannot be read.
    """
    path = temp_names.sidecar_of(sound)
    try:
        with open(disk.open_to_read(path), "rb") as file:  # noqa: PTH123 - a descriptor has no path
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _not_ours(path)
            record = json.loads(file.read(_LARGEST))
        if record["format"] != FORMAT:
            raise _not_ours(path)
        items = {key: [str(value) for value in values] for key, values in record["items"].items()}
        return Sidecar(str(record["file"]), items)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _not_ours(path) from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _not_ours(path) from error
        raise


def _not_ours(path: Path) -> TagsRefused:
    return TagsRefused(f"{path.name} is not a valenced sidecar; move it away")


def _remove(path: Path, disk: DiskCalls) -> None:
    disk.remove(path)
    disk.sync_folder(path.parent)


def discard_stale(sound: Path, disk: DiskCalls) -> bool:
    """Remove the sidecar of a sound that has another name now; return whether there was one.

    Only a sidecar that we wrote for this very name is removed.

    Raises:
        TagsRefused: something else than a sidecar of ours has its name.
        OSError: the system refused.
    """
    sidecar = read_sidecar(sound, disk)
    if sidecar is None or sidecar.file != sound.name:
        return False
    _remove(temp_names.sidecar_of(sound), disk)
    return True


def write_sidecar(sound: Path, items: Items, disk: DiskCalls) -> None:
    """Write the items next to a sound, or remove the sidecar if there are none.

    Raises:
        OSError: the system refused; an earlier sidecar is as it was.
    """
    path = temp_names.sidecar_of(sound)
    if not items:
        _remove(path, disk)
        return
    record = {"format": FORMAT, "file": sound.name, "items": items}
    temporary = temp_names.new_temporary(path.parent)
    descriptor = disk.create(temporary)
    try:
        disk.try_lock(descriptor)
        disk.write(descriptor, json.dumps(record, indent=1).encode() + b"\n", 0)
        disk.set_mode(descriptor, _READABLE)
        disk.sync(descriptor)
        disk.rename(temporary, path)
    except BaseException:
        remove_temporary(temporary, descriptor, disk)
        raise
    finally:
        os.close(descriptor)
    disk.sync_folder(path.parent)
