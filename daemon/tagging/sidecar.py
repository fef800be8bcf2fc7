"""Tag items in a JSON file beside the sound, for those whose files must not change.

`{"format": 1, "file": NAME, "items": {KEY: [VALUE, …]}}`, named after the sound with
`.valenced.json` added. Names that are not UTF-8 are escaped as JSON escapes lone surrogates.

When a sound is renamed, its sidecar is written anew beside the new name and the old one goes. When
a sound is deleted its sidecar stays: the sound may come back, and the file is not in the way.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from daemon.tagging.disk import temp_names
from daemon.tagging.disk.atomic_copy import forget
from daemon.tagging.formats.tag_errors import TagsRefused

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.tagging.disk.syscalls import DiskCalls
    from daemon.tagging.formats.keys import Items

FORMAT = 1
_LARGEST = 1 << 20
_READABLE = 0o644


class Sidecar(NamedTuple):
    """What a sidecar says.

    Attributes:
        file: name of the sound it was written for; the sound may have another by now.
        items: ours.
    """

    file: str
    items: Items


def read_sidecar(sound: Path, disk: DiskCalls) -> Sidecar | None:
    """Return what stands beside a sound; None if there is no sidecar.

    Raises:
        Refused: something else than a sidecar of ours has its name.
        OSError: it cannot be read.
    """
    path = temp_names.sidecar_of(sound)
    try:
        descriptor = disk.open_to_read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _not_ours(path) from error
        raise
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _not_ours(path)
        content = file.read(_LARGEST)
    try:
        return _parsed(json.loads(content))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _not_ours(path) from error


def _parsed(record: Any) -> Sidecar:
    if record["format"] != FORMAT:
        raise ValueError(record["format"])
    items = {key: [str(value) for value in values] for key, values in record["items"].items()}
    return Sidecar(str(record["file"]), items)


def _not_ours(path: Path) -> TagsRefused:
    return TagsRefused(f"{path.name} is not a sidecar of ours; move it away")


def discard_stale(sound: Path, disk: DiskCalls) -> bool:
    """Remove the sidecar of a sound that has another name now; tell whether there was one.

    A file that is not surely the sidecar which we wrote for this very name stays.

    Raises:
        Refused: something else than a sidecar of ours has its name.
        OSError: the system objected.
    """
    sidecar = read_sidecar(sound, disk)
    if sidecar is None or sidecar.file != sound.name:
        return False
    path = temp_names.sidecar_of(sound)
    disk.remove(path)
    disk.sync_folder(path.parent)
    return True


def write_sidecar(sound: Path, items: Items, disk: DiskCalls) -> None:
    """Write the items beside a sound, or remove the sidecar if there are none.

    Raises:
        OSError: the system objected; a sidecar that was there is as it was.
    """
    path = temp_names.sidecar_of(sound)
    if not items:
        disk.remove(path)
        disk.sync_folder(path.parent)
        return
    record = {"format": FORMAT, "file": sound.name, "items": items}
    temporary = temp_names.new_temporary(path.parent)
    descriptor = disk.create(temporary)
    try:
        disk.try_lock(descriptor)
        disk.write(descriptor, json.dumps(record, indent=1).encode() + b"\n", 0)
        disk.allow(descriptor, _READABLE)
        disk.sync(descriptor)
        disk.rename(temporary, path)
    except BaseException:
        forget(temporary, descriptor, disk)
        raise
    finally:
        os.close(descriptor)
    disk.sync_folder(path.parent)
