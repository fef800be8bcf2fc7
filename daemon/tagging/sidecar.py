"""Tag items in a JSON file beside the sound, for those whose files must not change.

`{"format": 1, "file": NAME, "items": {KEY: [VALUE, …]}}`, named after the sound with
`.valenced.json` added. Names that are not UTF-8 are escaped as JSON escapes lone surrogates.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from daemon.tagging import names
from daemon.tagging.copying import forget
from daemon.tagging.failures import Refused

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.tagging.files import Disk
    from daemon.tagging.keys import Items

FORMAT = 1
_LARGEST = 1 << 20
_READABLE = 0o644


def read_sidecar(sound: Path) -> Items | None:
    """Return the items beside a sound; None if there is no sidecar.

    Raises:
        Refused: something else than a sidecar of ours has its name.
        OSError: it cannot be read.
    """
    path = names.sidecar_of(sound)
    try:
        with path.open("rb") as file:
            record = json.loads(file.read(_LARGEST))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Refused(f"{path.name} is not a sidecar of ours; move it away") from error
    items = record.get("items") if isinstance(record, dict) else None
    if not isinstance(items, dict) or record.get("format") != FORMAT:
        raise Refused(f"{path.name} is not a sidecar of ours; move it away")
    return {str(key): [str(value) for value in values] for key, values in items.items()}


def write_sidecar(sound: Path, items: Items, disk: Disk) -> None:
    """Write the items beside a sound, or remove the sidecar if there are none.

    Raises:
        OSError: the system objected; a sidecar that was there is as it was.
    """
    path = names.sidecar_of(sound)
    if not items:
        disk.remove(path)
        disk.sync_folder(path.parent)
        return
    record = {"format": FORMAT, "file": sound.name, "items": items}
    temporary = names.new_temporary(path.parent)
    descriptor = disk.create(temporary)
    try:
        disk.try_lock(descriptor)
        disk.write(descriptor, json.dumps(record, indent=1).encode() + b"\n", 0)
        disk.allow(descriptor, _READABLE)
        disk.sync(descriptor)
        disk.rename(temporary, path)
    except BaseException:
        forget(temporary, disk)
        raise
    finally:
        os.close(descriptor)
    disk.sync_folder(path.parent)
