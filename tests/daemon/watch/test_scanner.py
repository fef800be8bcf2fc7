from __future__ import annotations

import os
from typing import TYPE_CHECKING

from daemon.watch.file_filter import FileFilter
from daemon.watch.scanner import SkippedEntries, walk

if TYPE_CHECKING:
    from pathlib import Path

FILTER = FileFilter(["mp3"], [".*"])


def made(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_walk_finds_sound_of_any_name_and_nothing_else(tmp_path: Path) -> None:
    odd = made(tmp_path / os.fsdecode(b"caf\xe9\n.mp3"))
    deep = made(tmp_path / "a" / "b" / "c.MP3")
    made(tmp_path / "cover.jpg")
    made(tmp_path / ".hidden" / "d.mp3")
    (tmp_path / "folder.mp3").mkdir()
    os.mkfifo(tmp_path / "pipe.mp3")
    (tmp_path / "link.mp3").symlink_to(deep)
    (tmp_path / "loop").symlink_to(tmp_path)
    found = {entry.path for entry in walk(tmp_path, FILTER, SkippedEntries())}
    assert found == {odd, deep}


def test_a_walk_notices_what_an_interrupted_write_left(tmp_path: Path) -> None:
    made(tmp_path / "album" / ".valenced-0123456789abcdef.tmp")
    made(tmp_path / "a.mp3")
    skipped = SkippedEntries()
    assert len(list(walk(tmp_path, FILTER, skipped))) == 1
    assert skipped.leftovers == {tmp_path / "album"}


def test_a_single_file_is_a_walk_of_one(tmp_path: Path) -> None:
    file = made(tmp_path / "a.mp3")
    assert [entry.path for entry in walk(file, FILTER, SkippedEntries())] == [file]
