from __future__ import annotations

import os
from pathlib import Path

import pytest

from config.loading import load
from daemon.watch.file_filter import FileFilter

ROOT = Path("/music")


@pytest.fixture
def file_filter() -> FileFilter:
    watch = load(environ={"HOME": "/nonexistent"}).settings.watch
    return FileFilter(watch.suffixes, watch.ignore)


@pytest.mark.parametrize(
    "name",
    ["a.mp3", "A.FLAC", "two\nlines.wav", os.fsdecode(b"caf\xe9.ogg"), "a.b.c.opus", "a.mp4"],
)
def test_sound_is_admitted(file_filter: FileFilter, name: str) -> None:
    assert file_filter.allows_file(name)
    assert file_filter.allows_below(ROOT / "artist" / name, ROOT)


@pytest.mark.parametrize(
    "name",
    [
        "cover.jpg",
        "mp3",
        ".mp3",
        "notes.txt",
        "a.mp3.part",
        "a.mp3.crdownload",
        "a.flac.!qB",
        "a.wav.tmp",
        "a.mp3~",
        ".a.mp3.Xy12Zz",
        ".syncthing.a.mp3.tmp",
        ".~a.mp3.0123",
        "._a.mp3",
        ".valenced-0123456789abcdef.tmp",
    ],
)
def test_temporary_and_foreign_names_are_left_alone(file_filter: FileFilter, name: str) -> None:
    assert not file_filter.allows_file(name)


@pytest.mark.parametrize("folder", [".git", "@eaDir", "#recycle", "lost+found", ".stversions"])
def test_nothing_below_an_ignored_folder_is_admitted(file_filter: FileFilter, folder: str) -> None:
    assert not file_filter.allows_below(ROOT / folder / "deeper" / "a.mp3", ROOT)


def test_the_watched_folder_itself_may_have_any_name(file_filter: FileFilter) -> None:
    hidden = Path("/home/u/.sounds")
    assert file_filter.allows_below(hidden / "a.mp3", hidden)


def test_no_patterns_ignore_nothing() -> None:
    assert FileFilter(["mp3"], []).allows_file(".hidden.mp3")
