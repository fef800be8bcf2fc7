"""Writes tags of ours and takes them out again, byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.tagging.api import restore, write
from daemon.tagging.file_history import FileHistory
from tests.daemon.tagging.readers import read

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.tagging.api import WriteOptions
    from daemon.tagging.basics.keys import Items


def round_trip(path: Path, options: WriteOptions, affect: Items) -> bytes:
    """Write and restore; return what was in between."""
    before = path.read_bytes()
    done = write(path, affect, options)
    between = path.read_bytes()
    assert read(path)["MOOD_AROUSAL"] == ["42"]
    assert done.undo is not None
    restore(path, options, FileHistory.of([done.undo]))
    assert path.read_bytes() == before
    return between
