"""What lies at a path must be what was queued, at the moment when it is opened."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from daemon.pipeline.claimed_file import FileChanged, as_queued
from storage.schema.file_stamps import FileStamp
from storage.schema.records import QueueEntry
from trainer.trainer_errors import UnreadableClip

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def entry(tmp_path: Path) -> QueueEntry:
    path = tmp_path / "song.wav"
    path.write_bytes(b"sound")
    return QueueEntry(path, FileStamp.of(path.stat()), 1)


def test_the_queued_file_is_held_open_whatever_its_path_leads_to(entry: QueueEntry) -> None:
    with as_queued(entry) as file:
        entry.path.unlink()
        entry.path.write_bytes(b"other")
        assert os.pread(file.descriptor, 9, 0) == b"sound"


def test_a_file_that_was_put_in_its_place_is_not_read(entry: QueueEntry, tmp_path: Path) -> None:
    other = tmp_path / "other.wav"
    other.write_bytes(b"other")
    times = entry.path.stat()
    other.rename(entry.path)
    os.utime(entry.path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(FileChanged), as_queued(entry):
        pass


def test_a_link_that_was_put_in_its_place_is_not_followed(
    entry: QueueEntry, tmp_path: Path
) -> None:
    kept = entry.path.rename(tmp_path / "kept.wav")
    entry.path.symlink_to(kept)
    with pytest.raises(UnreadableClip, match="is a symbolic link"), as_queued(entry):
        pass
