"""The service is killed half-way through writing a file in place, and then the file has a story."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.driving import PATIENCE_S, Valenced
from tests.sounds import music_like, write_audio
from trainer.audio.packets.fingerprint import identify
from trainer.trainer_errors import ClipError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# The command, which is killed as soon as half of a file is copied back.
KILLED = """
import os, signal
from daemon.cli.main import main
from daemon.tagging.disk import in_place

def copy_back(copy, target, start, end, disk):
    disk.copy_range(copy, target, start, start, (end - start) // 2)
    os.kill(os.getpid(), signal.SIGKILL)

in_place.copy_back = copy_back
main()
"""
STRANGER = 64124


@pytest.fixture
def valenced(tmp_path: Path) -> Valenced:
    return Valenced(tmp_path / "state", "watch.settle_s=0.3", "tags.mode=in-place")


@pytest.fixture
def torn(valenced: Valenced, music: Path) -> tuple[Path, str]:
    """A sound in an album that is half written, and the hash of all its audio."""
    (music / "album").mkdir()
    path = write_audio(music / "album" / "a.mp3", music_like(2), kind="mp3")
    identity = identify(path, every_packet=True)
    line = valenced.line("scan", music)
    with valenced.start_line([sys.executable, "-c", KILLED, *line[1:]]) as killed:
        assert killed.process.wait(PATIENCE_S) == -signal.SIGKILL
    assert hash_of(path) != identity
    return path, identity


def hash_of(path: Path) -> str | None:
    try:
        return identify(path, every_packet=True)
    except ClipError:
        return None


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def whole_copies(folder: Path, identity: str) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if hash_of(path) == identity]


def nothing_else(path: Path) -> None:
    del path


def folder_renamed(path: Path) -> None:
    path.parent.rename(path.parent.with_name("renamed"))


def moved(path: Path) -> None:
    path.rename(path.parent.parent / path.name)


def copied_to_a_new_disk(path: Path) -> None:
    music = path.parent.parent
    shutil.copytree(music, music.with_name("new"))
    shutil.rmtree(music)
    music.with_name("new").rename(music)


def edited(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-2000, os.SEEK_END)
        file.write(b"edited")


def saved_anew(path: Path) -> None:
    new = path.with_name("new")
    new.write_bytes(path.read_bytes())
    new.rename(path)


def deleted(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("story", [nothing_else, folder_renamed])
def test_a_file_that_nobody_changed_is_restored(
    valenced: Valenced, music: Path, torn: tuple[Path, str], story: Callable[[Path], None]
) -> None:
    path, identity = torn
    (problem,) = valenced.read("status")["degraded"]
    assert str(path) in problem
    assert "when the service starts" in problem
    story(path)
    valenced("scan", music)
    assert [copy.name for copy in whole_copies(music, identity)] == ["a.mp3"]
    assert valenced.read("status")["degraded"] == []
    assert valenced.read("query")[0]["tag_state"] == "written"


@pytest.mark.parametrize("story", [moved, copied_to_a_new_disk, edited, saved_anew, deleted])
def test_a_whole_copy_is_left_in_every_story_and_status_says_where(
    valenced: Valenced, music: Path, torn: tuple[Path, str], story: Callable[[Path], None]
) -> None:
    path, identity = torn
    story(path)
    theirs = {file: file.read_bytes() for file in music.rglob("*.mp3")}
    valenced("scan", music, "--no-tags")
    (copy,) = whole_copies(music, identity)
    (problem,) = valenced.read("status")["degraded"]
    assert str(path) in problem
    assert copy.name in problem
    assert {file: file.read_bytes() for file in music.rglob("*.mp3")} == theirs
    copy.rename(path)
    assert valenced.read("status")["degraded"] == []
    valenced("scan", music)
    assert path in whole_copies(music, identity)
    assert valenced.select("SELECT count(*) FROM begun_writes") == [(0,)]


@pytest.mark.parametrize("mode", ["replace", "in-place", "sidecar", "none"])
def test_planted_files_change_no_byte_and_no_name_of_others(
    valenced: Valenced, music: Path, mode: str
) -> None:
    sound = write_audio(music / "a.flac", music_like(2))
    damaged = music / "b.flac"
    damaged.write_bytes(sound.read_bytes()[:-3000])
    status, token = damaged.stat(), ".valenced-0123456789abcdef"
    outside = music.with_name("outside")
    outside.write_bytes(b"not ours")
    planted = [
        music / f"{token}.{status.st_ino}.{status.st_size}.rescue",
        music / f"{token}.rescue",
        music / f"{token[:-1]}0.tmp",
    ]
    for path in planted:
        path.write_bytes(b"planted")
    if os.geteuid() == 0:
        os.chown(planted[-1], STRANGER, STRANGER)
    else:
        planted.pop().unlink()
    (music / f"{token[:-1]}1.tmp").symlink_to(outside)
    (music / f"{token[:-1]}2.rescue").symlink_to(outside)
    (music / f"{token[:-1]}3.tmp").mkdir()
    before = {file: file.read_bytes() for file in (outside, damaged, *planted)}
    names, identity = names_in(music), identify(sound, every_packet=True)
    # A first pass without tags, so that only clean-up could change the damaged file.
    valenced("scan", music, "--no-tags", "--set", f"tags.mode={mode}")
    assert {file: file.read_bytes() for file in before} == before
    assert names_in(music) == names
    valenced("scan", music, "--set", f"tags.mode={mode}")
    del before[damaged]
    assert {file: file.read_bytes() for file in before} == before
    assert set(names) <= set(names_in(music))
    assert identify(sound, every_packet=True) == identity
    problems = valenced.read("status")["degraded"]
    assert [planted[0].name in problem for problem in problems] == [True, False]
