"""Files that refer to other files and hosts: nothing of theirs is opened, nobody is called."""

from __future__ import annotations

import ctypes
import os
import select
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.scenarios.referring_files import Target, lists, sounds
from tests.sounds import music_like, tone, write_audio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.driving import Valenced

IN_ACCESS_AND_OPEN = 0x01 | 0x20
SUFFIXES = ("mp3", "wav", "m4a")
"""Under these, besides its own suffix, each list is found in the folder."""


class Canary(NamedTuple):
    """A sound elsewhere, and a host: what would show that a file was followed."""

    watch: int
    target: Target
    listeners: list[socket.socket]

    def saw_something(self) -> bool:
        """Whether there was a call or an open since the last time."""
        by_number = {listener.fileno(): listener for listener in self.listeners}
        ready, _, _ = select.select([self.watch, *by_number], [], [], 0)
        for number in ready:
            if number == self.watch:
                os.read(number, 65536)
            elif by_number[number].type == socket.SOCK_DGRAM:
                by_number[number].recv(1)
            else:
                by_number[number].accept()[0].close()
        return bool(ready)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = write_audio(elsewhere / "a.wav", tone(1))
    libc = ctypes.CDLL(None, use_errno=True)
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = tcp.getsockname()[1]
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", port))
        watch = libc.inotify_init1(os.O_NONBLOCK)
        stack.callback(os.close, watch)
        assert libc.inotify_add_watch(watch, os.fsencode(elsewhere), IN_ACCESS_AND_OPEN) >= 0
        target = Target(path, "../elsewhere/a.wav", f"127.0.0.1:{port}")
        yield Canary(watch, target, [tcp, udp])


def test_the_canary_sees_an_open_and_a_call(canary: Canary) -> None:
    assert not canary.saw_something()
    canary.target.path.read_bytes()
    assert canary.saw_something()
    host, _, port = canary.target.host.partition(":")
    socket.create_connection((host, int(port))).close()
    assert canary.saw_something()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", (host, int(port)))
    assert canary.saw_something()


def test_nothing_that_a_file_refers_to_is_opened_or_called(
    valenced: Valenced, canary: Canary, music: Path, tmp_path: Path
) -> None:
    playlists, media = lists(canary.target), sounds(tmp_path, canary.target)
    assert len(playlists) + len(media) >= 46
    own = {name.rpartition(".")[2] for name in (*playlists, *media)}
    for name, content in playlists.items():
        stem, _, suffix = name.rpartition(".")
        for kind in (suffix, *SUFFIXES):
            (music / f"{stem or 'a'} {suffix}.{kind}").write_bytes(content)
    for name, content in media.items():
        (music / name).write_bytes(content)
        (music / f"{name}.ogg").write_bytes(content)
    write_audio(music / "good.flac", music_like(1.5))
    (music / "link.wav").symlink_to(canary.target.path)
    count = len([path for path in music.iterdir() if not path.is_symlink()])
    suffixes = f"watch.suffixes={sorted({*own, *SUFFIXES, 'flac', 'ogg'})}"
    report = valenced.read("scan", music, "--set", suffixes, exit_code=1)
    assert report["done"] + report["failed"] == count
    valenced("tags", "show", music, "--set", suffixes, exit_code=1)
    assert not canary.saw_something()
    found = {os.fsdecode(path) for (path,) in valenced.select("SELECT path FROM sounds")}
    for name in ("good.flac", "concat:a|b.wav", "a%03d.wav", "http:x.wav", "links.mp3"):
        assert str(music / name) in found
    for (reason,) in valenced.select("SELECT reason FROM failures"):
        assert reason.decode().isprintable()
        assert not any(word in reason for word in (b"worker", b"unexpected", b"signal"))
