"""Another program meets a write at every moment at which it could lose bytes; it always wins."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from daemon.service_errors import TagWriteError
from daemon.tagging.api import WriteMode, WriteOptions, WriteOutcome, write
from daemon.tagging.disk.leases import READ_LEASE
from daemon.tagging.disk.syscalls import DiskCalls
from tests.daemon.tagging.readers import read
from tests.daemon.tagging.sounds import sound, sound_file
from tests.driving import PATIENCE_S, POLL_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from daemon.tagging.basics.keys import Items
    from storage.begun_writes import BegunWrites

BOTH = pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.IN_PLACE])
OTHER = b"what another program saved"


class Acting(DiskCalls):
    """Lets another program act just before and just after the first call of a kind."""

    def __init__(
        self,
        call: str,
        before: Callable[[Acting], object] = lambda _: None,
        after: Callable[[Acting], object] = lambda _: None,
    ) -> None:
        self.leased = -1
        own = getattr(self, call)

        def acting(*arguments: object) -> object:
            setattr(self, call, own)
            before(self)
            result = own(*arguments)
            after(self)
            return result

        setattr(self, call, acting)

    def request_lease(self, descriptor: int, kind: int) -> bool:
        granted = super().request_lease(descriptor, kind)
        self.leased = descriptor
        return granted


class Editor:
    """A program that opens a file to append to it, and waits as long as the kernel lets it wait."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.process: subprocess.Popen[bytes] | None = None

    def open(self, disk: Acting) -> None:
        self.process = subprocess.Popen(["sh", "-c", 'printf more >> "$0"', self.path])
        deadline_s = time.monotonic() + PATIENCE_S
        while disk.holds_lease(disk.leased, READ_LEASE):
            assert time.monotonic() < deadline_s
            time.sleep(POLL_S)

    def finish(self) -> None:
        assert self.process is not None
        assert self.process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("mode", "call"),
    [
        *((WriteMode.REPLACE, call) for call in ("create", "sync", "exchange")),
        *((WriteMode.IN_PLACE, call) for call in ("create", "sync")),
    ],
)
def test_an_editor_that_opens_the_file_meanwhile_finds_it_as_it_was(
    tmp_path: Path,
    options: WriteOptions,
    affect: Items,
    begun: BegunWrites,
    mode: WriteMode,
    call: str,
) -> None:
    path = sound_file(tmp_path, "mp3")
    editor = Editor(path)
    disk = Acting(call, editor.open)
    done = write(path, affect, replace(options, mode=mode, begun=begun, disk=disk))
    editor.finish()
    assert done.outcome is WriteOutcome.CHANGED
    assert path.read_bytes() == sound("mp3") + b"more"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_written_between_the_two_leases_of_a_write_in_place_wins(
    tmp_path: Path, options: WriteOptions, affect: Items, begun: BegunWrites
) -> None:
    path = sound_file(tmp_path, "mp3")
    disk = Acting("open_to_change", lambda _: path.write_bytes(OTHER))
    in_place = replace(options, mode=WriteMode.IN_PLACE, begun=begun, disk=disk)
    assert write(path, affect, in_place).outcome is WriteOutcome.CHANGED
    assert path.read_bytes() == OTHER
    assert list(tmp_path.iterdir()) == [path]


def test_an_editor_that_opens_the_file_after_the_exchange_gets_it_back(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, "mp3")
    editor = Editor(path)

    def open_old(disk: Acting) -> None:
        # It looked the name up before the exchange, and opens the file only now.
        (editor.path,) = (entry for entry in tmp_path.iterdir() if entry != path)
        editor.open(disk)

    done = write(path, affect, replace(options, disk=Acting("exchange", after=open_old)))
    editor.finish()
    assert done.outcome is WriteOutcome.CHANGED
    assert path.read_bytes() == sound("mp3") + b"more"
    assert list(tmp_path.iterdir()) == [path]


@BOTH
def test_a_file_that_a_program_has_open_for_writing_is_left_alone(
    tmp_path: Path, options: WriteOptions, affect: Items, begun: BegunWrites, mode: WriteMode
) -> None:
    path = sound_file(tmp_path, "mp3")
    with path.open("ab") as file:
        done = write(path, affect, replace(options, mode=mode, begun=begun))
        file.write(b"more")
    assert done.outcome is WriteOutcome.CHANGED
    assert path.read_bytes() == sound("mp3") + b"more"


def test_a_file_that_a_program_reads_is_replaced_but_not_written_in_place(
    tmp_path: Path, options: WriteOptions, affect: Items, begun: BegunWrites
) -> None:
    path = sound_file(tmp_path, "mp3")
    in_place = replace(options, mode=WriteMode.IN_PLACE, begun=begun)
    with path.open("rb") as player:
        with pytest.raises(TagWriteError, match="another program has it open") as refused:
            write(path, affect, in_place)
        assert refused.value.retry
        assert path.read_bytes() == sound("mp3")
        assert write(path, affect, options).outcome is WriteOutcome.WRITTEN
        assert player.read() == sound("mp3")
    assert begun.all() == []


def saved(path: Path) -> None:
    """Save as careful programs do."""
    new = path.with_name("new")
    new.write_bytes(OTHER)
    new.rename(path)


def linked(path: Path) -> None:
    path.with_name("twin").hardlink_to(path)


def made_private(path: Path) -> None:
    path.chmod(0o600)


@pytest.mark.parametrize("act", [saved, linked, made_private])
def test_what_happens_in_the_last_window_wins(
    tmp_path: Path, options: WriteOptions, affect: Items, act: Callable[[Path], None]
) -> None:
    path = sound_file(tmp_path, "mp3")
    disk = Acting("exchange", lambda _: act(path))
    assert write(path, affect, replace(options, disk=disk)).outcome is WriteOutcome.CHANGED
    assert path.read_bytes() == (OTHER if act is saved else sound("mp3"))
    assert path.stat().st_nlink == (2 if act is linked else 1)
    assert not [entry for entry in tmp_path.iterdir() if entry.name.startswith(".")]


def test_a_file_that_is_saved_twice_in_the_last_window_is_the_last(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, "mp3")
    last = tmp_path / "last"
    last.write_bytes(b"the last")
    disk = Acting("exchange", lambda _: saved(path), lambda _: last.rename(path))
    assert write(path, affect, replace(options, disk=disk)).outcome is WriteOutcome.CHANGED
    assert path.read_bytes() == b"the last"


def test_a_file_that_is_deleted_in_the_last_window_stays_deleted(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, "mp3")
    disk = Acting("exchange", lambda _: path.unlink())
    with pytest.raises(TagWriteError, match="no longer there"):
        write(path, affect, replace(options, disk=disk))
    assert list(tmp_path.iterdir()) == []


class Plain(Acting):
    """A network folder: without leases."""

    def request_lease(self, descriptor: int, kind: int) -> bool:
        del descriptor, kind
        return False


@BOTH
def test_without_leases_bytes_that_can_be_seen_win(
    tmp_path: Path, options: WriteOptions, affect: Items, begun: BegunWrites, mode: WriteMode
) -> None:
    path = sound_file(tmp_path, "mp3")

    def append(_: Acting) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    call = "exchange" if mode is WriteMode.REPLACE else "open_to_change"
    done = write(path, affect, replace(options, mode=mode, begun=begun, disk=Plain(call, append)))
    assert done.outcome is WriteOutcome.CHANGED
    assert path.read_bytes() == sound("mp3") + b"more"
    assert list(tmp_path.iterdir()) == [path]


class Old(DiskCalls):
    """A file system that cannot exchange names."""

    def exchange(self, folder: int, one: str, other: str) -> bool:
        del folder, one, other
        return False


def test_without_exchange_a_rename_replaces(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, "mp3")
    write(path, affect, replace(options, disk=Old()))
    assert read(path)["MOOD_AROUSAL"] == ["42"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away, or capabilities")
def test_a_copy_gets_no_rights_to_run_as_somebody(
    tmp_path: Path, options: WriteOptions, affect: Items
) -> None:
    path = sound_file(tmp_path, "flac")
    try:
        os.setxattr(path, "security.capability", bytes.fromhex("0100000200040000") + bytes(12))
        os.setxattr(path, "user.comment", b"mine")
    except OSError as error:
        pytest.skip(f"this file system keeps no attributes: {error.strerror}")
    path.chmod(0o6755)
    write(path, affect, options)
    assert path.stat().st_mode & 0o7777 == 0o755
    assert os.listxattr(path) == ["user.comment"]
