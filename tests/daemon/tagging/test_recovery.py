"""What clean-up does with temporary files and rescue copies, ours and planted ones."""

from __future__ import annotations

import fcntl
import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from daemon.tagging.api import WriteMode, WriteOptions, write
from daemon.tagging.disk.syscalls import DiskCalls
from daemon.tagging.recovery import clean_up
from tests.daemon.tagging.readers import PARSER, read
from tests.daemon.tagging.sounds import sound, sound_file
from trainer.audio.packets.fingerprint import identify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.tagging.basics.keys import Items
    from storage.begun_writes import BegunWrites

HASH = partial(identify, every_packet=True)
TOKEN = ".valenced-0123456789abcdef"
STRANGER = 64124


class Killed(BaseException):
    """The process ends here."""


class Dying(DiskCalls):
    """Ends half-way through the copying back, and takes no step any more."""

    def __init__(self) -> None:
        self.is_in_place = self.is_dead = False

    def rename_to_free(self, folder: int, name: str, free: str) -> None:
        super().rename_to_free(folder, name, free)
        self.is_in_place = True

    def copy_range(self, source: int, target: int, start: int, at: int, length: int) -> None:
        if not self.is_in_place:
            super().copy_range(source, target, start, at, length)
        elif not self.is_dead:
            super().copy_range(source, target, start, at, length // 2)
            self.is_dead = True
        if self.is_dead:
            raise Killed

    def remove(self, folder: int, name: str) -> None:
        if not self.is_dead:
            super().remove(folder, name)


@pytest.fixture
def torn(tmp_path: Path, affect: Items, begun: BegunWrites) -> Path:
    """A file whose writing in place was interrupted half-way."""
    path = sound_file(tmp_path, "mp3-bare")
    options = WriteOptions(PARSER, mode=WriteMode.IN_PLACE, begun=begun, disk=Dying())
    with pytest.raises(Exception, match="interrupted"):
        write(path, affect, options)
    assert path.read_bytes() != sound("mp3-bare")
    assert len(begun.all()) == 1
    return path


def cleaned(folder: Path, begun: BegunWrites) -> list[str]:
    return [found.outcome for found in clean_up([folder], begun, HASH)]


def names_in(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def rescue_in(folder: Path) -> Path:
    (rescue,) = folder.glob(".valenced-*.rescue")
    return rescue


def test_an_interrupted_file_is_restored(torn: Path, begun: BegunWrites) -> None:
    (outcome,) = cleaned(torn.parent, begun)
    assert "restored" in outcome
    assert read(torn)["MOOD_AROUSAL"] == ["42"]
    assert HASH(torn) == HASH(sound_file(torn.parent, "mp3-bare", "again.mp3"))
    assert begun.all() == []


def test_a_file_that_was_not_touched_yet_or_is_done_is_whole(
    torn: Path, begun: BegunWrites
) -> None:
    copy = rescue_in(torn.parent).read_bytes()
    inode, (note,) = torn.stat().st_ino, begun.all()
    for content in (sound("mp3-bare"), copy):
        torn.write_bytes(content)
        cleaned(torn.parent, begun)
        assert (torn.read_bytes(), torn.stat().st_ino) == (copy, inode)
        assert list(torn.parent.iterdir()) == [torn]
        note.rescue_path.write_bytes(copy)
        begun.keep(replace(note, rescue_inode=note.rescue_path.stat().st_ino))


@pytest.mark.parametrize("place", [10, -3000, -1])
def test_a_byte_of_another_program_is_never_overwritten(
    torn: Path, begun: BegunWrites, place: int
) -> None:
    content = bytearray(torn.read_bytes())
    content[place] ^= 0xFF
    torn.write_bytes(content)
    (outcome,) = cleaned(torn.parent, begun)
    assert torn.read_bytes() == content
    if "kept" in outcome:
        (note,) = begun.all()
        assert note.trouble is not None
        assert note.rescue in note.trouble
        assert HASH(rescue_in(torn.parent)) == note.audio_hash
    else:
        assert HASH(torn) == HASH(sound_file(torn.parent, "mp3-bare", "again.mp3"))


def test_a_file_saved_anew_with_all_its_sound_needs_no_rescue_copy(
    torn: Path, begun: BegunWrites
) -> None:
    sound_file(torn.parent, "mp3-bare", "new").rename(torn)
    (outcome,) = cleaned(torn.parent, begun)
    assert "removed" in outcome
    assert list(torn.parent.iterdir()) == [torn]
    assert torn.read_bytes() == sound("mp3-bare")
    assert begun.all() == []


def test_a_rescue_copy_in_use_stays_as_it_is(torn: Path, begun: BegunWrites) -> None:
    before = begun.all()
    with rescue_in(torn.parent).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert cleaned(torn.parent, begun) == []
    assert begun.all() == before


def test_a_write_of_another_service_is_left_to_it(torn: Path, begun: BegunWrites) -> None:
    before, there = begun.all(), names_in(torn.parent)
    assert list(clean_up([], begun, HASH, is_own=lambda path: path != torn)) == []
    assert (begun.all(), names_in(torn.parent)) == (before, there)


def test_a_rescue_copy_that_the_user_took_is_forgotten(torn: Path, begun: BegunWrites) -> None:
    rescue_in(torn.parent).rename(torn)
    assert cleaned(torn.parent, begun) == []
    assert begun.all() == []


def test_a_file_that_a_program_has_open_is_restored_later(torn: Path, begun: BegunWrites) -> None:
    before = torn.read_bytes()
    with torn.open("rb"):
        (outcome,) = cleaned(torn.parent, begun)
    assert "restart the service" in outcome
    assert torn.read_bytes() == before
    (outcome,) = cleaned(torn.parent, begun)
    assert "restored" in outcome


def by_a_copy(rescue: Path) -> None:
    content = rescue.read_bytes()
    other = rescue.with_name("other")
    other.write_bytes(content)
    other.rename(rescue)


def by_a_link(rescue: Path) -> None:
    rescue.rename(rescue.with_name("there"))
    rescue.symlink_to("there")


def by_a_hard_link(rescue: Path) -> None:
    rescue.with_name("twin").hardlink_to(rescue)


def by_a_folder(rescue: Path) -> None:
    rescue.unlink()
    rescue.mkdir()


def by_a_stranger(rescue: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give a file away")
    os.chown(rescue, STRANGER, STRANGER)


def by_another_content(rescue: Path) -> None:
    size = rescue.stat().st_size
    with rescue.open("r+b") as file:
        file.write(bytes(size))


@pytest.mark.parametrize(
    "swap", [by_a_copy, by_a_link, by_a_hard_link, by_a_folder, by_a_stranger, by_another_content]
)
def test_a_rescue_copy_that_was_swapped_restores_nothing(
    torn: Path, begun: BegunWrites, swap: Callable[[Path], None]
) -> None:
    rescue, before = rescue_in(torn.parent), torn.read_bytes()
    swap(rescue)
    names = names_in(torn.parent)
    cleaned(torn.parent, begun)
    assert torn.read_bytes() == before
    assert names_in(torn.parent) == names
    (note,) = begun.all()
    assert note.trouble is not None


@pytest.mark.parametrize("ending", [".{inode}.{size}.rescue", ".rescue"])
def test_a_planted_rescue_copy_restores_nothing(
    tmp_path: Path, begun: BegunWrites, ending: str
) -> None:
    path = sound_file(tmp_path, "mp3")
    path.write_bytes(sound("mp3")[:-5000])
    before, stat = path.read_bytes(), path.stat()
    planted = tmp_path / (TOKEN + ending.format(inode=stat.st_ino, size=stat.st_size))
    planted.write_bytes(sound("flac"))
    (outcome,) = cleaned(tmp_path, begun)
    assert "earlier release" in outcome
    assert path.read_bytes() == before
    assert planted.read_bytes() == sound("flac")
    (note,) = begun.all()
    assert note.path == planted
    planted.unlink()
    cleaned(tmp_path, begun)
    assert begun.all() == []


def test_our_temporary_files_are_removed_and_no_others(tmp_path: Path, begun: BegunWrites) -> None:
    (tmp_path / f"{TOKEN}.tmp").write_bytes(b"left over")
    (tmp_path / ".valenced-notes.tmp").write_bytes(b"mine")
    assert cleaned(tmp_path, begun) == ["removed"]
    assert [entry.name for entry in tmp_path.iterdir()] == [".valenced-notes.tmp"]


def test_a_write_that_is_under_way_keeps_its_copy(tmp_path: Path, begun: BegunWrites) -> None:
    ours = tmp_path / f"{TOKEN}.tmp"
    with ours.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert cleaned(tmp_path, begun) == []
    assert ours.exists()


def a_link(path: Path) -> None:
    path.symlink_to("mine")


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_file_of_a_stranger(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give a file away")
    path.write_bytes(b"theirs")
    os.chown(path, STRANGER, STRANGER)


@pytest.mark.parametrize("plant", [a_link, a_folder, a_pipe, a_file_of_a_stranger])
def test_planted_temporary_names_change_no_name(
    tmp_path: Path, begun: BegunWrites, plant: Callable[[Path], None]
) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    plant(tmp_path / f"{TOKEN}.tmp")
    before = sorted((entry.name, entry.lstat().st_ino) for entry in tmp_path.iterdir())
    cleaned(tmp_path, begun)
    assert sorted((entry.name, entry.lstat().st_ino) for entry in tmp_path.iterdir()) == before
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert begun.all() == []
