"""Folders and files are swapped for links between any two steps; nothing outside changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from daemon.service_errors import TagWriteError
from daemon.tagging.api import WriteMode, WriteOptions, write
from daemon.tagging.disk.syscalls import DISK, DiskCalls
from daemon.tagging.disk.temp_names import sidecar_of
from daemon.tagging.recovery import clean_up
from daemon.tagging.sidecar import discard_stale
from tests.daemon.tagging.readers import BLIND_PARSER
from tests.daemon.tagging.sounds import sound_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from daemon.tagging.basics.keys import Items
    from storage.begun_writes import BegunWrites

ROUNDS = 200
MODES = (WriteMode.REPLACE, WriteMode.IN_PLACE, WriteMode.SIDECAR)
CALLS = tuple(name for name in vars(DiskCalls) if not name.startswith("_"))

# Whenever something happens in the folder argv[1], it and the link argv[2] change names.
RACER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
folder, link = map(os.fsencode, sys.argv[1:])
events = libc.inotify_init1(0)
assert libc.inotify_add_watch(events, folder, 0xFFF) >= 0
print("ready", flush=True)
while os.read(events, 65536):
    libc.renameat2(-100, folder, -100, link, 2)
"""


class Swapping(DiskCalls):
    """Acts before the call of a given number."""

    def __init__(self, at: int, act: Callable[[], object]) -> None:
        self.at = at
        self.act = act
        self.calls = 0

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self._counted(found) if name in CALLS else found

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self.calls += 1
            if self.calls == self.at:
                self.act()
            return call(*arguments)

        return counted


def content_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        entry.name: (entry.read_bytes(), entry.stat().st_ino) for entry in sorted(folder.iterdir())
    }


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that is not watched, with files under the names that are used in the album."""
    folder = tmp_path / "outside"
    folder.mkdir()
    path = sound_file(folder, "mp3")
    path.write_bytes(b"not ours")
    sidecar_of(path).write_bytes(b"not ours")
    return folder


def album_in(tmp_path: Path) -> Path:
    """Return a fresh album in a watched folder."""
    shutil.rmtree(tmp_path / "watched", ignore_errors=True)
    (tmp_path / "watched" / "album").mkdir(parents=True)
    return sound_file(tmp_path / "watched" / "album", "mp3")


def swap_folder(path: Path, outside: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))
    path.parent.symlink_to(outside)


def swap_parent(path: Path, outside: Path) -> None:
    watched = path.parent.parent
    (outside / "album").symlink_to(".")
    watched.rename(watched.with_name("moved"))
    watched.symlink_to(outside)


def swap_file(path: Path, outside: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to(outside / path.name)


def swap_sidecar(path: Path, outside: Path) -> None:
    sidecar_of(path).unlink(missing_ok=True)
    sidecar_of(path).symlink_to(outside / sidecar_of(path).name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("swap", [swap_folder, swap_parent, swap_file, swap_sidecar])
def test_a_swap_before_any_call_changes_nothing_outside(
    tmp_path: Path,
    outside: Path,
    affect: Items,
    begun: BegunWrites,
    mode: WriteMode,
    swap: Callable[[Path, Path], None],
) -> None:
    options = WriteOptions(BLIND_PARSER, mode=mode, keep_mtime=True, begun=begun)
    for at in range(1, 99):
        path, before = album_in(tmp_path), content_of(outside)
        disk = Swapping(at, partial(swap, path, outside))
        with suppress(TagWriteError):
            write(path, affect, replace(options, disk=disk))
        (outside / "album").unlink(missing_ok=True)
        shutil.rmtree(tmp_path / "moved", ignore_errors=True)
        if (tmp_path / "watched").is_symlink():
            (tmp_path / "watched").unlink()
        assert content_of(outside) == before, at
        if disk.calls < at:
            break
    assert at > 8


def test_a_swap_before_any_call_of_clean_up_changes_nothing_outside(
    tmp_path: Path, outside: Path, begun: BegunWrites
) -> None:
    name = ".valenced-0123456789abcdef.tmp"
    (outside / name).write_bytes(b"not ours")
    before = content_of(outside)
    for at in range(1, 99):
        path = album_in(tmp_path)
        path.with_name(name).write_bytes(b"left over")
        sidecar_of(path).write_text('{"format": 1, "file": "sound.mp3", "items": {}}')
        disk = Swapping(at, partial(swap_folder, path, outside))
        list(clean_up([path.parent], begun, lambda _: "same", disk))
        with suppress(OSError):
            discard_stale(path, disk)
        assert content_of(outside) == before, at
        if disk.calls < at:
            break
    assert at > 5


@pytest.fixture
def racer(tmp_path: Path, outside: Path) -> Iterator[Path]:
    """A sound in a folder that another process swaps for a link at every event in it."""
    path = album_in(tmp_path)
    link = tmp_path / "watched" / "link"
    link.symlink_to(outside)
    with subprocess.Popen(
        [sys.executable, "-c", RACER, path.parent, link], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield path
        process.kill()


def test_a_racing_process_gets_nothing_outside_changed(
    racer: Path, outside: Path, affect: Items, begun: BegunWrites
) -> None:
    options = WriteOptions(BLIND_PARSER, begun=begun)
    before, outcomes = content_of(outside), set()
    watched = DISK.open_folder(racer.parent.parent)
    for number in range(ROUNDS):
        if racer.parent.is_symlink():
            DISK.exchange(watched, racer.parent.name, "link")
        mode = MODES[number % len(MODES)]
        items = affect | {"MOOD_AROUSAL": [str(number % 100)]}
        try:
            outcomes.add(write(racer, items, replace(options, mode=mode)).outcome.value)
        except TagWriteError as error:
            outcomes.add(error.reason)
        list(clean_up([racer.parent], begun, lambda _: "same"))
        assert content_of(outside) == before
    os.close(watched)
    # The two met at different steps.
    assert len(outcomes) > 1


def test_no_handle_is_opened_through_a_link(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "link").symlink_to(outside)
    os.close(DISK.open_folder(outside))
    for path in (tmp_path / "link", tmp_path / "link" / "below"):
        with pytest.raises(NotADirectoryError):
            DISK.open_folder(path)
